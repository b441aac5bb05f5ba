// Shows what is pushed to this browser, and opens what it leads to. It keeps nothing and answers no request.
self.addEventListener("push", (event) => {
  let message = {};
  try {
    message = event.data?.json() ?? {};
  } catch {
    // What cannot be read is shown as news without words: a browser wants to see something for each message.
  }
  const { title = "Your account", body = "", link = "/account", tag, lang = "" } = message;
  event.waitUntil(
    self.registration.showNotification(title, { body, tag, lang, data: { link }, icon: "/favicon.svg" }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const link = new URL(event.notification.data?.link ?? "/account", self.location.origin);
  // A message leads to pages of this server and nowhere else.
  const address = link.origin === self.location.origin ? link.href : self.location.origin;
  event.waitUntil(self.clients.openWindow(address));
});

# What mails say, in English. Each message has a subject, a preview (the line that mail programs show beside it), a
# title, a lead and, where there is something to press, a button; some have a note, and a reason of their own why
# somebody gets it. What has a code says something else (`-without-code`) when it could only be sent after the code had run
# out.

hello = Hello.
hello-name = Hello { $name }.
button-fails = If the button doesn’t work, open this address:
button-account = Look at my account
reference = Reference
because-account = You get this because { $email } has an account at { $product }.

unsubscribe = Want no more mail like this? Unsubscribe
more-in-inbox = { $n ->
    [one] and one more in your inbox
   *[other] and { $n } more in your inbox
}

unreadable-title = A message that can’t be shown
unreadable-text = It was written for another version of this site.

fact-when = When
fact-from = From
fact-until = Works until
once = { $moment }, once

lifetime-minutes = { $n ->
    [one] one minute
   *[other] { $n } minutes
}
lifetime-hours = { $n ->
    [one] one hour
   *[other] { $n } hours
}
lifetime-days = { $n ->
    [one] one day
   *[other] { $n } days
}

moment = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
} { $year }, { $time } { $zone }

verify-email-subject = Verify your email
verify-email-preview = Your code is { $code }. It works for { $lifetime }.
verify-email-preview-without-code = Press the button to verify your email.
verify-email-title = Verify your email
verify-email-lead = Type this code where you signed up, or press the button on the same device.
verify-email-lead-without-code = Press the button, best on the device on which you signed up.
verify-email-button = Verify my email
verify-email-note = Didn’t sign up? Then do nothing: without the code or the link, nobody can show that this address is theirs.
verify-email-why = You get this because someone signed up to { $product } with { $email }.

welcome-subject = Welcome to { $product }
welcome-preview = Your account is ready.
welcome-title = Your account is ready
welcome-lead = Welcome to { $product }. You sign in with { $email }.
welcome-button = Go to my account
welcome-note = Didn’t sign up? Then somebody used your address. Choose a new password to make the account yours, and delete it.

reset-password-subject = Choose a new password
reset-password-preview = The link works once, for { $lifetime }.
reset-password-title = Choose a new password
reset-password-lead = Someone, we hope you, asked for a new password for your { $product } account.
reset-password-button = Choose a new password
reset-password-note = Wasn’t you? Your password hasn’t changed and nobody got in. You can ignore this. We never ask for your password by mail or phone.

password-changed-subject = Your password was changed
password-changed-preview = All other devices were signed out.
password-changed-title = Your password was changed
password-changed-lead = The password of your { $product } account is a new one now. All other devices were signed out.
password-changed-button = { button-account }
password-changed-note = Wasn’t you? Choose a new password at once, and look at your devices.

change-email-subject = Confirm your new email
change-email-preview = The link works once, for { $lifetime }.
change-email-title = Confirm your new email
change-email-lead = You asked to use { $other } for your { $product } account. It changes when you press the button.
change-email-button = Use this address
change-email-note = Didn’t ask for this? Then do nothing, and nothing changes.
change-email-why = You get this because somebody with an account at { $product } named { $other } as their new address.

email-change-requested-subject = Somebody asked to change your email
email-change-requested-preview = Nothing has changed yet.
email-change-requested-title = Somebody asked to change your email
email-change-requested-lead = Somebody who knows your password asked to use another address for your { $product } account. It changes when they open the link that we sent there.
email-change-requested-button = { button-account }
email-change-requested-note = Wasn’t you? Change your password now: that also ends the request.

email-changed-subject = Your email was changed
email-changed-preview = This address is not used any more.
email-changed-title = Your email was changed
email-changed-lead = Your { $product } account has another address now. This is the last mail to the old one.
email-changed-inbox = Your { $product } account has another address now.
email-changed-button = { button-account }
email-changed-note = Wasn’t you? Tell whoever runs { $product }, with the reference below.
email-changed-why = You get this because { $other } was the address of an account at { $product }.

sign-in-link-subject = Sign in to { $product }
sign-in-link-preview = The link works once, for { $lifetime }.
sign-in-link-title = Sign in to { $product }
sign-in-link-lead = Press the button to sign in, in the browser in which you asked for this.
sign-in-link-button = Sign in
sign-in-link-note = Didn’t ask for this? Then do nothing: nobody gets in without this mail.

invitation-subject = You are invited to { $product }
invitation-preview = Choose a password and your account is ready.
invitation-title = You are invited to { $product }
invitation-lead = An account at { $product } was made for you. Choose a password and it is ready.
invitation-button = Choose a password
invitation-note = The link works once, for { $lifetime }. Don’t know what this is about? Then do nothing.
invitation-why = You get this because somebody made an account for { $email } at { $product }.

new-device-subject = A sign-in from a new device
new-device-preview = If it was you, there is nothing to do.
new-device-title = A sign-in from a new device
new-device-lead = Somebody signed in to your { $product } account from a device that we have not seen before.
new-device-button = Look at my devices
new-device-note = Was it you? Then there is nothing to do. If not, sign that device out and change your password.

sign-in-after-failures-subject = A sign-in after wrong passwords
sign-in-after-failures-preview = If it was you, there is nothing to do.
sign-in-after-failures-title = A sign-in after wrong passwords
sign-in-after-failures-lead = { $count ->
    [one] Somebody signed in to your { $product } account, after one wrong password.
   *[other] Somebody signed in to your { $product } account, after { $count } wrong passwords.
}
sign-in-after-failures-button = Look at my devices
sign-in-after-failures-note = Was it you? Then there is nothing to do. If not, sign that device out and change your password.

account-locked-subject = Your account is locked for a while
account-locked-preview = Somebody entered a wrong password too often.
account-locked-title = Your account is locked for a while
account-locked-lead = Somebody entered a wrong password for your { $product } account too often. Nobody can sign in to it with a password for a while, not even with the right one.
account-locked-button = { button-account }
account-locked-note = Nobody got in. If it was you, wait and try again, or choose a new password.

session-stolen-subject = We signed out a device of yours
session-stolen-preview = Somebody used a copy of its sign-in.
session-stolen-title = We signed out a device of yours
session-stolen-lead = Somebody used a copy of what keeps one of your devices signed in to { $product }. We signed that device out, so the copy is worth nothing any more.
session-stolen-button = Look at my devices
session-stolen-note = Sign in again on that device. If this happens again, choose a new password, and look for programs on the device that do not belong there.

registration-repeated-subject = You have an account already
registration-repeated-preview = Somebody signed up with your address.
registration-repeated-title = You have an account already
registration-repeated-lead = Somebody, perhaps you, signed up to { $product } with this address. It has an account already, so no other was made.
registration-repeated-button = Sign in
registration-repeated-note = Don’t know your password? Choose a new one on the sign-in page. If it wasn’t you, there is nothing to do.

digest-subject = { $count ->
    [one] One message from { $product }
   *[other] { $count } messages from { $product }
}
digest-preview = What came since the last summary.
digest-title = What’s new
digest-lead = { $count ->
    [one] One message has come for you at { $product }.
   *[other] { $count } messages have come for you at { $product }.
}
digest-button = Look at my inbox
digest-why = You get this because you chose a summary at { $product }.

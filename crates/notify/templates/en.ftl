# What mails say, in English. Each message has a subject, a preview (the line that mail programs show beside it), a
# title and a lead; where they are given, a button, a note, and why somebody gets it.

hello = Hello.
hello-name = Hello { $name }.
button-fails = If the button doesn’t work, open this address:
reference = Reference
because-account = You get this because { $email } has an account at { $product }.

fact-when = When
fact-from = From
fact-until = Works until
once = { $moment }, once

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

welcome-subject = Welcome to { $product }
welcome-preview = Your account is ready.
welcome-title = Your account is ready
welcome-lead = Welcome to { $product }. You can sign in with { $email }.
welcome-button = Go to my account
welcome-note = Didn’t sign up? Then somebody used your address. Choose a new password to make the account yours, and delete it.

password-changed-subject = Your password was changed
password-changed-preview = All other devices were signed out.
password-changed-title = Your password was changed
password-changed-lead = The password of your { $product } account is a new one now. All other devices were signed out.
password-changed-button = Look at my account
password-changed-note = Wasn’t you? Choose a new password at once, and look at your devices.

account-locked-subject = Your account is locked for a while
account-locked-preview = Somebody entered a wrong password too often.
account-locked-title = Your account is locked for a while
account-locked-lead = Somebody entered a wrong password for your { $product } account too often. Nobody can sign in to it with a password for a while, not even with the right one.
account-locked-button = Look at my account
account-locked-note = Nobody got in. If it was you, wait and try again, or choose a new password.

session-stolen-subject = We signed out a device of yours
session-stolen-preview = Somebody used a copy of its sign-in.
session-stolen-title = We signed out a device of yours
session-stolen-lead = Somebody used a copy of what keeps one of your devices signed in to { $product }. We signed that device out, so the copy is worth nothing any more.
session-stolen-button = Look at my devices
session-stolen-note = Sign in again on that device. If this happens again, choose a new password, and look for programs on the device that do not belong there.

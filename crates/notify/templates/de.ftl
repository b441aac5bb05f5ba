# What mails say, in German.

hello = Guten Tag.
hello-name = Guten Tag { $name }.
button-fails = Wenn die Schaltfläche nicht funktioniert, öffnen Sie diese Adresse:
button-account = Mein Konto ansehen
reference = Referenz
because-account = Sie erhalten diese Nachricht, weil { $email } ein Konto bei { $product } hat.

unsubscribe = Keine solchen Nachrichten mehr? Abbestellen
more-in-inbox = { $n ->
    [one] und eine weitere in Ihrem Posteingang
   *[other] und { $n } weitere in Ihrem Posteingang
}

unreadable-title = Eine Nachricht, die sich nicht anzeigen lässt
unreadable-text = Sie wurde für eine andere Version dieser Seite geschrieben.

fact-when = Wann
fact-from = Von
fact-until = Gültig bis
once = { $moment }, einmal

lifetime-minutes = { $n ->
    [one] eine Minute
   *[other] { $n } Minuten
}
lifetime-hours = { $n ->
    [one] eine Stunde
   *[other] { $n } Stunden
}
lifetime-days = { $n ->
    [one] einen Tag
   *[other] { $n } Tage
}

moment = { $day }. { $month ->
    [1] Januar
    [2] Februar
    [3] März
    [4] April
    [5] Mai
    [6] Juni
    [7] Juli
    [8] August
    [9] September
    [10] Oktober
    [11] November
   *[12] Dezember
} { $year }, { $time } { $zone }

verify-email-subject = Bestätigen Sie Ihre E-Mail-Adresse
verify-email-preview = Ihr Code lautet { $code }. Er gilt { $lifetime }.
verify-email-preview-without-code = Drücken Sie die Schaltfläche, um Ihre E-Mail-Adresse zu bestätigen.
verify-email-title = Bestätigen Sie Ihre E-Mail-Adresse
verify-email-lead = Geben Sie diesen Code dort ein, wo Sie sich registriert haben, oder drücken Sie die Schaltfläche auf demselben Gerät.
verify-email-lead-without-code = Drücken Sie die Schaltfläche, am besten auf dem Gerät, auf dem Sie sich registriert haben.
verify-email-button = E-Mail-Adresse bestätigen
verify-email-note = Sie haben sich nicht registriert? Dann müssen Sie nichts tun: Ohne Code oder Link kann niemand zeigen, dass diese Adresse seine ist.
verify-email-why = Sie erhalten diese Nachricht, weil sich jemand mit { $email } bei { $product } registriert hat.

welcome-subject = Willkommen bei { $product }
welcome-preview = Ihr Konto ist bereit.
welcome-title = Ihr Konto ist bereit
welcome-lead = Willkommen bei { $product }. Sie melden sich mit { $email } an.
welcome-button = Zu meinem Konto
welcome-note = Sie haben sich nicht registriert? Dann hat jemand Ihre Adresse benutzt. Wählen Sie ein neues Passwort, damit das Konto Ihnen gehört, und löschen Sie es.

reset-password-subject = Wählen Sie ein neues Passwort
reset-password-preview = Der Link funktioniert einmal und gilt { $lifetime }.
reset-password-title = Wählen Sie ein neues Passwort
reset-password-lead = Jemand, hoffentlich Sie, hat ein neues Passwort für Ihr Konto bei { $product } angefordert.
reset-password-button = Neues Passwort wählen
reset-password-note = Das waren nicht Sie? Ihr Passwort ist unverändert und niemand ist hineingekommen. Sie können diese Nachricht ignorieren. Wir fragen nie per E-Mail oder Telefon nach Ihrem Passwort.

password-changed-subject = Ihr Passwort wurde geändert
password-changed-preview = Alle anderen Geräte wurden abgemeldet.
password-changed-title = Ihr Passwort wurde geändert
password-changed-lead = Ihr Konto bei { $product } hat jetzt ein neues Passwort. Alle anderen Geräte wurden abgemeldet.
password-changed-button = { button-account }
password-changed-note = Das waren nicht Sie? Wählen Sie sofort ein neues Passwort und sehen Sie Ihre Geräte durch.

change-email-subject = Bestätigen Sie Ihre neue E-Mail-Adresse
change-email-preview = Der Link funktioniert einmal und gilt { $lifetime }.
change-email-title = Bestätigen Sie Ihre neue E-Mail-Adresse
change-email-lead = Sie möchten { $other } für Ihr Konto bei { $product } verwenden. Geändert wird sie, wenn Sie die Schaltfläche drücken.
change-email-button = Diese Adresse verwenden
change-email-note = Sie haben das nicht verlangt? Dann müssen Sie nichts tun, und nichts ändert sich.
change-email-why = Sie erhalten diese Nachricht, weil jemand mit einem Konto bei { $product } { $other } als neue Adresse angegeben hat.

email-change-requested-subject = Jemand möchte Ihre E-Mail-Adresse ändern
email-change-requested-preview = Noch ist nichts geändert.
email-change-requested-title = Jemand möchte Ihre E-Mail-Adresse ändern
email-change-requested-lead = Jemand, der Ihr Passwort kennt, möchte für Ihr Konto bei { $product } eine andere Adresse verwenden. Geändert wird sie, wenn der Link geöffnet wird, den wir dorthin geschickt haben.
email-change-requested-button = { button-account }
email-change-requested-note = Das waren nicht Sie? Ändern Sie jetzt Ihr Passwort: Damit endet auch diese Anfrage.

email-changed-subject = Ihre E-Mail-Adresse wurde geändert
email-changed-preview = Diese Adresse wird nicht mehr verwendet.
email-changed-title = Ihre E-Mail-Adresse wurde geändert
email-changed-lead = Ihr Konto bei { $product } hat jetzt eine andere Adresse. Dies ist die letzte Nachricht an die alte.
email-changed-inbox = Ihr Konto bei { $product } hat jetzt eine andere Adresse.
email-changed-button = { button-account }
email-changed-note = Das waren nicht Sie? Wenden Sie sich mit der Referenz unten an den Betreiber von { $product }.
email-changed-why = Sie erhalten diese Nachricht, weil { $other } die Adresse eines Kontos bei { $product } war.

sign-in-link-subject = Bei { $product } anmelden
sign-in-link-preview = Der Link funktioniert einmal und gilt { $lifetime }.
sign-in-link-title = Bei { $product } anmelden
sign-in-link-lead = Drücken Sie die Schaltfläche, um sich anzumelden, in dem Browser, in dem Sie das verlangt haben.
sign-in-link-button = Anmelden
sign-in-link-note = Sie haben das nicht verlangt? Dann müssen Sie nichts tun: Ohne diese Nachricht kommt niemand hinein.

invitation-subject = Sie sind zu { $product } eingeladen
invitation-preview = Wählen Sie ein Passwort, und Ihr Konto ist bereit.
invitation-title = Sie sind zu { $product } eingeladen
invitation-lead = Für Sie wurde ein Konto bei { $product } angelegt. Wählen Sie ein Passwort, und es ist bereit.
invitation-button = Passwort wählen
invitation-note = Der Link funktioniert einmal und gilt { $lifetime }. Sie wissen nicht, worum es geht? Dann müssen Sie nichts tun.
invitation-why = Sie erhalten diese Nachricht, weil jemand für { $email } ein Konto bei { $product } angelegt hat.

new-device-subject = Anmeldung von einem neuen Gerät
new-device-preview = Wenn Sie es waren, ist nichts zu tun.
new-device-title = Anmeldung von einem neuen Gerät
new-device-lead = Jemand hat sich von einem Gerät, das wir noch nicht kennen, bei Ihrem Konto bei { $product } angemeldet.
new-device-button = Meine Geräte ansehen
new-device-note = Waren Sie es? Dann ist nichts zu tun. Wenn nicht, melden Sie das Gerät ab und ändern Sie Ihr Passwort.

sign-in-after-failures-subject = Anmeldung nach falschen Passwörtern
sign-in-after-failures-preview = Wenn Sie es waren, ist nichts zu tun.
sign-in-after-failures-title = Anmeldung nach falschen Passwörtern
sign-in-after-failures-lead = { $count ->
    [one] Jemand hat sich nach einem falschen Passwort bei Ihrem Konto bei { $product } angemeldet.
   *[other] Jemand hat sich nach { $count } falschen Passwörtern bei Ihrem Konto bei { $product } angemeldet.
}
sign-in-after-failures-button = Meine Geräte ansehen
sign-in-after-failures-note = Waren Sie es? Dann ist nichts zu tun. Wenn nicht, melden Sie das Gerät ab und ändern Sie Ihr Passwort.

account-locked-subject = Ihr Konto ist eine Weile gesperrt
account-locked-preview = Jemand hat zu oft ein falsches Passwort eingegeben.
account-locked-title = Ihr Konto ist eine Weile gesperrt
account-locked-lead = Jemand hat für Ihr Konto bei { $product } zu oft ein falsches Passwort eingegeben. Eine Weile kann sich niemand mit einem Passwort anmelden, auch nicht mit dem richtigen.
account-locked-button = { button-account }
account-locked-note = Niemand ist hineingekommen. Wenn Sie es waren, warten Sie und versuchen Sie es noch einmal, oder wählen Sie ein neues Passwort.

session-stolen-subject = Wir haben eines Ihrer Geräte abgemeldet
session-stolen-preview = Jemand hat eine Kopie seiner Anmeldung benutzt.
session-stolen-title = Wir haben eines Ihrer Geräte abgemeldet
session-stolen-lead = Jemand hat eine Kopie dessen benutzt, was eines Ihrer Geräte bei { $product } angemeldet hält. Wir haben das Gerät abgemeldet, die Kopie ist damit wertlos.
session-stolen-button = Meine Geräte ansehen
session-stolen-note = Melden Sie sich auf dem Gerät neu an. Wenn es wieder vorkommt, wählen Sie ein neues Passwort und suchen Sie auf dem Gerät nach Programmen, die dort nicht hingehören.

registration-repeated-subject = Sie haben schon ein Konto
registration-repeated-preview = Jemand hat sich mit Ihrer Adresse registriert.
registration-repeated-title = Sie haben schon ein Konto
registration-repeated-lead = Jemand, vielleicht Sie, hat sich mit dieser Adresse bei { $product } registriert. Sie hat schon ein Konto, darum wurde kein anderes angelegt.
registration-repeated-button = Anmelden
registration-repeated-note = Sie kennen Ihr Passwort nicht mehr? Wählen Sie auf der Anmeldeseite ein neues. Wenn Sie es nicht waren, ist nichts zu tun.

digest-subject = { $count ->
    [one] Eine Nachricht von { $product }
   *[other] { $count } Nachrichten von { $product }
}
digest-preview = Was seit der letzten Zusammenfassung gekommen ist.
digest-title = Was es Neues gibt
digest-lead = { $count ->
    [one] Bei { $product } ist eine Nachricht für Sie gekommen.
   *[other] Bei { $product } sind { $count } Nachrichten für Sie gekommen.
}
digest-button = Posteingang ansehen
digest-why = Sie erhalten diese Nachricht, weil Sie bei { $product } eine Zusammenfassung gewählt haben.

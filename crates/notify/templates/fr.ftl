# What mails say, in French.

hello = Bonjour.
hello-name = Bonjour { $name }.
button-fails = Si le bouton ne fonctionne pas, ouvrez cette adresse :
button-account = Voir mon compte
reference = Référence
because-account = Vous recevez ce message parce que { $email } a un compte chez { $product }.

unsubscribe = Vous ne voulez plus de tels messages ? Se désabonner
more-in-inbox = { $n ->
    [one] et un autre dans votre boîte de réception
   *[other] et { $n } autres dans votre boîte de réception
}

unreadable-title = Un message qui ne peut pas être affiché
unreadable-text = Il a été écrit pour une autre version de ce site.

fact-when = Quand
fact-from = Depuis
fact-until = Valable jusqu’au
once = { $moment }, une fois

lifetime-minutes = { $n ->
    [one] { $n } minute
   *[other] { $n } minutes
}
lifetime-hours = { $n ->
    [one] { $n } heure
   *[other] { $n } heures
}
lifetime-days = { $n ->
    [one] { $n } jour
   *[other] { $n } jours
}

moment = { $day } { $month ->
    [1] janvier
    [2] février
    [3] mars
    [4] avril
    [5] mai
    [6] juin
    [7] juillet
    [8] août
    [9] septembre
    [10] octobre
    [11] novembre
   *[12] décembre
} { $year }, { $time } { $zone }

verify-email-subject = Confirmez votre adresse e-mail
verify-email-preview = Votre code est { $code }. Il est valable { $lifetime }.
verify-email-preview-without-code = Appuyez sur le bouton pour confirmer votre adresse e-mail.
verify-email-title = Confirmez votre adresse e-mail
verify-email-lead = Saisissez ce code là où vous vous êtes inscrit, ou appuyez sur le bouton sur le même appareil.
verify-email-lead-without-code = Appuyez sur le bouton, de préférence sur l’appareil avec lequel vous vous êtes inscrit.
verify-email-button = Confirmer mon adresse
verify-email-note = Vous ne vous êtes pas inscrit ? Alors ne faites rien : sans le code ou le lien, personne ne peut montrer que cette adresse est la sienne.
verify-email-why = Vous recevez ce message parce que quelqu’un s’est inscrit à { $product } avec { $email }.

welcome-subject = Bienvenue chez { $product }
welcome-preview = Votre compte est prêt.
welcome-title = Votre compte est prêt
welcome-lead = Bienvenue chez { $product }. Vous vous connectez avec { $email }.
welcome-button = Aller à mon compte
welcome-note = Vous ne vous êtes pas inscrit ? Alors quelqu’un a utilisé votre adresse. Choisissez un nouveau mot de passe pour que le compte soit le vôtre, puis supprimez-le.

reset-password-subject = Choisissez un nouveau mot de passe
reset-password-preview = Le lien fonctionne une fois, pendant { $lifetime }.
reset-password-title = Choisissez un nouveau mot de passe
reset-password-lead = Quelqu’un, vous espérons-nous, a demandé un nouveau mot de passe pour votre compte { $product }.
reset-password-button = Choisir un nouveau mot de passe
reset-password-note = Ce n’était pas vous ? Votre mot de passe n’a pas changé et personne n’est entré. Vous pouvez ignorer ce message. Nous ne demandons jamais votre mot de passe par e-mail ou par téléphone.

password-changed-subject = Votre mot de passe a été changé
password-changed-preview = Tous les autres appareils ont été déconnectés.
password-changed-title = Votre mot de passe a été changé
password-changed-lead = Votre compte { $product } a maintenant un nouveau mot de passe. Tous les autres appareils ont été déconnectés.
password-changed-button = { button-account }
password-changed-note = Ce n’était pas vous ? Choisissez tout de suite un nouveau mot de passe et vérifiez vos appareils.

change-email-subject = Confirmez votre nouvelle adresse e-mail
change-email-preview = Le lien fonctionne une fois, pendant { $lifetime }.
change-email-title = Confirmez votre nouvelle adresse e-mail
change-email-lead = Vous avez demandé à utiliser { $other } pour votre compte { $product }. Le changement se fait quand vous appuyez sur le bouton.
change-email-button = Utiliser cette adresse
change-email-note = Vous ne l’avez pas demandé ? Alors ne faites rien, et rien ne change.
change-email-why = Vous recevez ce message parce que quelqu’un qui a un compte chez { $product } a indiqué { $other } comme nouvelle adresse.

email-change-requested-subject = Quelqu’un a demandé à changer votre adresse e-mail
email-change-requested-preview = Rien n’a encore changé.
email-change-requested-title = Quelqu’un a demandé à changer votre adresse e-mail
email-change-requested-lead = Quelqu’un qui connaît votre mot de passe a demandé une autre adresse pour votre compte { $product }. Le changement se fait quand le lien que nous y avons envoyé est ouvert.
email-change-requested-button = { button-account }
email-change-requested-note = Ce n’était pas vous ? Changez votre mot de passe maintenant : la demande prend fin aussi.

email-changed-subject = Votre adresse e-mail a été changée
email-changed-preview = Cette adresse n’est plus utilisée.
email-changed-title = Votre adresse e-mail a été changée
email-changed-lead = Votre compte { $product } a maintenant une autre adresse. Ceci est le dernier message à l’ancienne.
email-changed-inbox = Votre compte { $product } a désormais une autre adresse.
email-changed-button = { button-account }
email-changed-note = Ce n’était pas vous ? Prévenez les responsables de { $product }, avec la référence ci-dessous.
email-changed-why = Vous recevez ce message parce que { $other } était l’adresse d’un compte chez { $product }.

sign-in-link-subject = Se connecter à { $product }
sign-in-link-preview = Le lien fonctionne une fois, pendant { $lifetime }.
sign-in-link-title = Se connecter à { $product }
sign-in-link-lead = Appuyez sur le bouton pour vous connecter, dans le navigateur où vous l’avez demandé.
sign-in-link-button = Se connecter
sign-in-link-note = Vous ne l’avez pas demandé ? Alors ne faites rien : personne n’entre sans ce message.

invitation-subject = Vous êtes invité chez { $product }
invitation-preview = Choisissez un mot de passe et votre compte est prêt.
invitation-title = Vous êtes invité chez { $product }
invitation-lead = Un compte chez { $product } a été créé pour vous. Choisissez un mot de passe et il est prêt.
invitation-button = Choisir un mot de passe
invitation-note = Le lien fonctionne une fois, pendant { $lifetime }. Vous ne savez pas de quoi il s’agit ? Alors ne faites rien.
invitation-why = Vous recevez ce message parce que quelqu’un a créé un compte pour { $email } chez { $product }.

new-device-subject = Connexion depuis un nouvel appareil
new-device-preview = Si c’était vous, il n’y a rien à faire.
new-device-title = Connexion depuis un nouvel appareil
new-device-lead = Quelqu’un s’est connecté à votre compte { $product } depuis un appareil que nous n’avions jamais vu.
new-device-button = Voir mes appareils
new-device-note = C’était vous ? Alors il n’y a rien à faire. Sinon, déconnectez cet appareil et changez votre mot de passe.

sign-in-after-failures-subject = Connexion après des mots de passe erronés
sign-in-after-failures-preview = Si c’était vous, il n’y a rien à faire.
sign-in-after-failures-title = Connexion après des mots de passe erronés
sign-in-after-failures-lead = { $count ->
    [one] Quelqu’un s’est connecté à votre compte { $product } après { $count } mot de passe erroné.
   *[other] Quelqu’un s’est connecté à votre compte { $product } après { $count } mots de passe erronés.
}
sign-in-after-failures-button = Voir mes appareils
sign-in-after-failures-note = C’était vous ? Alors il n’y a rien à faire. Sinon, déconnectez cet appareil et changez votre mot de passe.

account-locked-subject = Votre compte est bloqué pour un moment
account-locked-preview = Quelqu’un a saisi trop souvent un mauvais mot de passe.
account-locked-title = Votre compte est bloqué pour un moment
account-locked-lead = Quelqu’un a saisi trop souvent un mauvais mot de passe pour votre compte { $product }. Pendant un moment, personne ne peut s’y connecter avec un mot de passe, même avec le bon.
account-locked-button = { button-account }
account-locked-note = Personne n’est entré. Si c’était vous, attendez et réessayez, ou choisissez un nouveau mot de passe.

session-stolen-subject = Nous avons déconnecté un de vos appareils
session-stolen-preview = Quelqu’un a utilisé une copie de sa connexion.
session-stolen-title = Nous avons déconnecté un de vos appareils
session-stolen-lead = Quelqu’un a utilisé une copie de ce qui garde un de vos appareils connecté à { $product }. Nous avons déconnecté cet appareil : la copie ne vaut plus rien.
session-stolen-button = Voir mes appareils
session-stolen-note = Reconnectez-vous sur cet appareil. Si cela se reproduit, choisissez un nouveau mot de passe et cherchez sur l’appareil des programmes qui n’ont rien à y faire.

registration-repeated-subject = Vous avez déjà un compte
registration-repeated-preview = Quelqu’un s’est inscrit avec votre adresse.
registration-repeated-title = Vous avez déjà un compte
registration-repeated-lead = Quelqu’un, peut-être vous, s’est inscrit à { $product } avec cette adresse. Elle a déjà un compte : aucun autre n’a été créé.
registration-repeated-button = Se connecter
registration-repeated-note = Vous ne connaissez plus votre mot de passe ? Choisissez-en un nouveau sur la page de connexion. Si ce n’était pas vous, il n’y a rien à faire.

digest-subject = { $count ->
    [one] Un message de { $product }
   *[other] { $count } messages de { $product }
}
digest-preview = Ce qui est arrivé depuis le dernier résumé.
digest-title = Quoi de neuf
digest-lead = { $count ->
    [one] Un message est arrivé pour vous chez { $product }.
   *[other] { $count } messages sont arrivés pour vous chez { $product }.
}
digest-button = Voir ma boîte de réception
digest-why = Vous recevez ce message parce que vous avez choisi un résumé chez { $product }.

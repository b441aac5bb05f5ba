# What mails say, in Spanish.

hello = Hola.
hello-name = Hola, { $name }.
button-fails = Si el botón no funciona, abra esta dirección:
button-account = Ver mi cuenta
reference = Referencia
because-account = Recibe este mensaje porque { $email } tiene una cuenta en { $product }.

unsubscribe = ¿No quiere más mensajes así? Darse de baja
more-in-inbox = { $n ->
    [one] y uno más en su bandeja de entrada
   *[other] y { $n } más en su bandeja de entrada
}

unreadable-title = Un mensaje que no se puede mostrar
unreadable-text = Se escribió para otra versión de este sitio.

fact-when = Cuándo
fact-from = Desde
fact-until = Válido hasta
once = { $moment }, una vez

lifetime-minutes = { $n ->
    [one] un minuto
   *[other] { $n } minutos
}
lifetime-hours = { $n ->
    [one] una hora
   *[other] { $n } horas
}
lifetime-days = { $n ->
    [one] un día
   *[other] { $n } días
}

moment = { $day } de { $month ->
    [1] enero
    [2] febrero
    [3] marzo
    [4] abril
    [5] mayo
    [6] junio
    [7] julio
    [8] agosto
    [9] septiembre
    [10] octubre
    [11] noviembre
   *[12] diciembre
} de { $year }, { $time } { $zone }

verify-email-subject = Confirme su correo electrónico
verify-email-preview = Su código es { $code }. Sirve durante { $lifetime }.
verify-email-preview-without-code = Pulse el botón para confirmar su correo electrónico.
verify-email-title = Confirme su correo electrónico
verify-email-lead = Escriba este código donde se registró, o pulse el botón en el mismo dispositivo.
verify-email-lead-without-code = Pulse el botón, mejor en el dispositivo en el que se registró.
verify-email-button = Confirmar mi correo
verify-email-note = ¿No se ha registrado? Entonces no haga nada: sin el código o el enlace, nadie puede demostrar que esta dirección es suya.
verify-email-why = Recibe este mensaje porque alguien se registró en { $product } con { $email }.

welcome-subject = Le damos la bienvenida a { $product }
welcome-preview = Su cuenta está lista.
welcome-title = Su cuenta está lista
welcome-lead = Le damos la bienvenida a { $product }. Usted entra con { $email }.
welcome-button = Ir a mi cuenta
welcome-note = ¿No se ha registrado? Entonces alguien usó su dirección. Elija una contraseña nueva para que la cuenta sea suya y elimínela.

reset-password-subject = Elija una contraseña nueva
reset-password-preview = El enlace funciona una vez, durante { $lifetime }.
reset-password-title = Elija una contraseña nueva
reset-password-lead = Alguien, esperamos que usted, pidió una contraseña nueva para su cuenta de { $product }.
reset-password-button = Elegir una contraseña nueva
reset-password-note = ¿No fue usted? Su contraseña no ha cambiado y nadie ha entrado. Puede ignorar este mensaje. Nunca pedimos su contraseña por correo ni por teléfono.

password-changed-subject = Su contraseña ha cambiado
password-changed-preview = Se cerró la sesión en todos los demás dispositivos.
password-changed-title = Su contraseña ha cambiado
password-changed-lead = Su cuenta de { $product } tiene ahora una contraseña nueva. Se cerró la sesión en todos los demás dispositivos.
password-changed-button = { button-account }
password-changed-note = ¿No fue usted? Elija enseguida una contraseña nueva y revise sus dispositivos.

change-email-subject = Confirme su correo nuevo
change-email-preview = El enlace funciona una vez, durante { $lifetime }.
change-email-title = Confirme su correo nuevo
change-email-lead = Usted pidió usar { $other } para su cuenta de { $product }. Cambia cuando pulse el botón.
change-email-button = Usar esta dirección
change-email-note = ¿No lo ha pedido? Entonces no haga nada, y nada cambia.
change-email-why = Recibe este mensaje porque alguien con una cuenta en { $product } indicó { $other } como dirección nueva.

email-change-requested-subject = Alguien pidió cambiar su correo
email-change-requested-preview = Todavía no ha cambiado nada.
email-change-requested-title = Alguien pidió cambiar su correo
email-change-requested-lead = Alguien que conoce su contraseña pidió usar otra dirección para su cuenta de { $product }. Cambia cuando se abra el enlace que enviamos allí.
email-change-requested-button = { button-account }
email-change-requested-note = ¿No fue usted? Cambie ahora su contraseña: así también termina la petición.

email-changed-subject = Su correo ha cambiado
email-changed-preview = Esta dirección ya no se usa.
email-changed-title = Su correo ha cambiado
email-changed-lead = Su cuenta de { $product } tiene ahora otra dirección. Este es el último mensaje a la antigua.
email-changed-inbox = Su cuenta de { $product } tiene ahora otra dirección.
email-changed-button = { button-account }
email-changed-note = ¿No fue usted? Avise a quien gestiona { $product }, con la referencia de abajo.
email-changed-why = Recibe este mensaje porque { $other } era la dirección de una cuenta en { $product }.

sign-in-link-subject = Entrar en { $product }
sign-in-link-preview = El enlace funciona una vez, durante { $lifetime }.
sign-in-link-title = Entrar en { $product }
sign-in-link-lead = Pulse el botón para entrar, en el navegador en el que lo pidió.
sign-in-link-button = Entrar
sign-in-link-note = ¿No lo ha pedido? Entonces no haga nada: nadie entra sin este mensaje.

invitation-subject = Tiene una invitación a { $product }
invitation-preview = Elija una contraseña y su cuenta está lista.
invitation-title = Tiene una invitación a { $product }
invitation-lead = Se ha creado una cuenta en { $product } para usted. Elija una contraseña y está lista.
invitation-button = Elegir una contraseña
invitation-note = El enlace funciona una vez, durante { $lifetime }. ¿No sabe de qué se trata? Entonces no haga nada.
invitation-why = Recibe este mensaje porque alguien creó una cuenta para { $email } en { $product }.

new-device-subject = Acceso desde un dispositivo nuevo
new-device-preview = Si fue usted, no hay nada que hacer.
new-device-title = Acceso desde un dispositivo nuevo
new-device-lead = Alguien entró en su cuenta de { $product } desde un dispositivo que no habíamos visto.
new-device-button = Ver mis dispositivos
new-device-note = ¿Fue usted? Entonces no hay nada que hacer. Si no, cierre la sesión en ese dispositivo y cambie su contraseña.

sign-in-after-failures-subject = Acceso tras contraseñas erróneas
sign-in-after-failures-preview = Si fue usted, no hay nada que hacer.
sign-in-after-failures-title = Acceso tras contraseñas erróneas
sign-in-after-failures-lead = { $count ->
    [one] Alguien entró en su cuenta de { $product } tras una contraseña errónea.
   *[other] Alguien entró en su cuenta de { $product } tras { $count } contraseñas erróneas.
}
sign-in-after-failures-button = Ver mis dispositivos
sign-in-after-failures-note = ¿Fue usted? Entonces no hay nada que hacer. Si no, cierre la sesión en ese dispositivo y cambie su contraseña.

account-locked-subject = Su cuenta está bloqueada por un rato
account-locked-preview = Alguien escribió demasiadas veces una contraseña errónea.
account-locked-title = Su cuenta está bloqueada por un rato
account-locked-lead = Alguien escribió demasiadas veces una contraseña errónea para su cuenta de { $product }. Durante un rato nadie puede entrar con una contraseña, ni siquiera con la correcta.
account-locked-button = { button-account }
account-locked-note = Nadie ha entrado. Si fue usted, espere e inténtelo de nuevo, o elija una contraseña nueva.

session-stolen-subject = Cerramos la sesión en un dispositivo suyo
session-stolen-preview = Alguien usó una copia de su acceso.
session-stolen-title = Cerramos la sesión en un dispositivo suyo
session-stolen-lead = Alguien usó una copia de lo que mantiene abierta la sesión de { $product } en uno de sus dispositivos. Cerramos esa sesión: la copia ya no vale nada.
session-stolen-button = Ver mis dispositivos
session-stolen-note = Entre de nuevo en ese dispositivo. Si vuelve a ocurrir, elija una contraseña nueva y busque en el dispositivo programas que no deban estar allí.

registration-repeated-subject = Ya tiene una cuenta
registration-repeated-preview = Alguien se registró con su dirección.
registration-repeated-title = Ya tiene una cuenta
registration-repeated-lead = Alguien, quizá usted, se registró en { $product } con esta dirección. Ya tiene una cuenta, así que no se creó otra.
registration-repeated-button = Entrar
registration-repeated-note = ¿No recuerda su contraseña? Elija una nueva en la página de acceso. Si no fue usted, no hay nada que hacer.

digest-subject = { $count ->
    [one] Un mensaje de { $product }
   *[other] { $count } mensajes de { $product }
}
digest-preview = Lo que ha llegado desde el último resumen.
digest-title = Novedades
digest-lead = { $count ->
    [one] Ha llegado un mensaje para usted en { $product }.
   *[other] Han llegado { $count } mensajes para usted en { $product }.
}
digest-button = Ver mi bandeja de entrada
digest-why = Recibe este mensaje porque eligió un resumen en { $product }.

# What mails say, in Arabic.

hello = مرحبًا.
hello-name = مرحبًا { $name }.
button-fails = إذا لم يعمل الزر، فافتح هذا العنوان:
button-account = عرض حسابي
reference = المرجع
because-account = وصلتك هذه الرسالة لأن للعنوان { $email } حسابًا في { $product }.

unsubscribe = لا تريد المزيد من هذه الرسائل؟ إلغاء الاشتراك
more-in-inbox = { $n ->
    [one] ورسالة أخرى في بريدك الوارد
    [two] ورسالتان أخريان في بريدك الوارد
    [few] و{ $n } رسائل أخرى في بريدك الوارد
   *[other] و{ $n } رسالة أخرى في بريدك الوارد
}

unreadable-title = رسالة لا يمكن عرضها
unreadable-text = كُتبت لإصدار آخر من هذا الموقع.

fact-when = متى
fact-from = من
fact-until = صالح حتى
once = { $moment }، مرة واحدة

lifetime-minutes = { $n ->
    [one] دقيقة واحدة
    [two] دقيقتين
    [few] { $n } دقائق
   *[other] { $n } دقيقة
}
lifetime-hours = { $n ->
    [one] ساعة واحدة
    [two] ساعتين
    [few] { $n } ساعات
   *[other] { $n } ساعة
}
lifetime-days = { $n ->
    [one] يوم واحد
    [two] يومين
    [few] { $n } أيام
   *[other] { $n } يومًا
}

moment = { $day } { $month ->
    [1] يناير
    [2] فبراير
    [3] مارس
    [4] أبريل
    [5] مايو
    [6] يونيو
    [7] يوليو
    [8] أغسطس
    [9] سبتمبر
    [10] أكتوبر
    [11] نوفمبر
   *[12] ديسمبر
} { $year }، { $time } { $zone }

verify-email-subject = تأكيد بريدك الإلكتروني
verify-email-preview = رمزك هو { $code }. وهو صالح لمدة { $lifetime }.
verify-email-preview-without-code = اضغط الزر لتأكيد بريدك الإلكتروني.
verify-email-title = تأكيد بريدك الإلكتروني
verify-email-lead = اكتب هذا الرمز حيث سجّلت، أو اضغط الزر على الجهاز نفسه.
verify-email-lead-without-code = اضغط الزر، والأفضل على الجهاز الذي سجّلت منه.
verify-email-button = تأكيد بريدي
verify-email-note = لم تسجّل؟ إذن لا تفعل شيئًا: من دون الرمز أو الرابط لا يستطيع أحد أن يثبت أن هذا العنوان له.
verify-email-why = وصلتك هذه الرسالة لأن أحدًا سجّل في { $product } بالعنوان { $email }.

welcome-subject = أهلًا بك في { $product }
welcome-preview = حسابك جاهز.
welcome-title = حسابك جاهز
welcome-lead = أهلًا بك في { $product }. تدخل بالعنوان { $email }.
welcome-button = إلى حسابي
welcome-note = لم تسجّل؟ إذن استعمل أحد عنوانك. اختر كلمة مرور جديدة ليصبح الحساب لك، ثم احذفه.

reset-password-subject = اختر كلمة مرور جديدة
reset-password-preview = يعمل الرابط مرة واحدة، لمدة { $lifetime }.
reset-password-title = اختر كلمة مرور جديدة
reset-password-lead = طلب أحد، ونرجو أن تكون أنت، كلمة مرور جديدة لحسابك في { $product }.
reset-password-button = اختيار كلمة مرور جديدة
reset-password-note = لم تكن أنت؟ لم تتغير كلمة مرورك ولم يدخل أحد. يمكنك تجاهل هذه الرسالة. لا نطلب كلمة مرورك أبدًا بالبريد أو بالهاتف.

password-changed-subject = تغيّرت كلمة مرورك
password-changed-preview = سُجّل خروج كل الأجهزة الأخرى.
password-changed-title = تغيّرت كلمة مرورك
password-changed-lead = لحسابك في { $product } كلمة مرور جديدة الآن. سُجّل خروج كل الأجهزة الأخرى.
password-changed-button = { button-account }
password-changed-note = لم تكن أنت؟ اختر كلمة مرور جديدة فورًا، وراجع أجهزتك.

change-email-subject = أكّد بريدك الجديد
change-email-preview = يعمل الرابط مرة واحدة، لمدة { $lifetime }.
change-email-title = أكّد بريدك الجديد
change-email-lead = طلبت استعمال { $other } لحسابك في { $product }. يتغير عندما تضغط الزر.
change-email-button = استعمال هذا العنوان
change-email-note = لم تطلب هذا؟ إذن لا تفعل شيئًا، ولن يتغير شيء.
change-email-why = وصلتك هذه الرسالة لأن صاحب حساب في { $product } ذكر { $other } عنوانًا جديدًا له.

email-change-requested-subject = طلب أحد تغيير بريدك
email-change-requested-preview = لم يتغير شيء بعد.
email-change-requested-title = طلب أحد تغيير بريدك
email-change-requested-lead = طلب أحد يعرف كلمة مرورك استعمال عنوان آخر لحسابك في { $product }. يتغير عندما يُفتح الرابط الذي أرسلناه إلى هناك.
email-change-requested-button = { button-account }
email-change-requested-note = لم تكن أنت؟ غيّر كلمة مرورك الآن: فهذا ينهي الطلب أيضًا.

email-changed-subject = تغيّر بريدك
email-changed-preview = لم يعد هذا العنوان مستعملًا.
email-changed-title = تغيّر بريدك
email-changed-lead = لحسابك في { $product } عنوان آخر الآن. هذه آخر رسالة إلى العنوان القديم.
email-changed-inbox = لحسابك في { $product } عنوان آخر الآن.
email-changed-button = { button-account }
email-changed-note = لم تكن أنت؟ أخبر القائمين على { $product } مع المرجع أدناه.
email-changed-why = وصلتك هذه الرسالة لأن { $other } كان عنوان حساب في { $product }.

sign-in-link-subject = الدخول إلى { $product }
sign-in-link-preview = يعمل الرابط مرة واحدة، لمدة { $lifetime }.
sign-in-link-title = الدخول إلى { $product }
sign-in-link-lead = اضغط الزر للدخول، في المتصفح الذي طلبت منه.
sign-in-link-button = الدخول
sign-in-link-note = لم تطلب هذا؟ إذن لا تفعل شيئًا: لا يدخل أحد من دون هذه الرسالة.

invitation-subject = أنت مدعو إلى { $product }
invitation-preview = اختر كلمة مرور ويصبح حسابك جاهزًا.
invitation-title = أنت مدعو إلى { $product }
invitation-lead = أُنشئ لك حساب في { $product }. اختر كلمة مرور ويصبح جاهزًا.
invitation-button = اختيار كلمة مرور
invitation-note = يعمل الرابط مرة واحدة، لمدة { $lifetime }. لا تعرف ما هذا؟ إذن لا تفعل شيئًا.
invitation-why = وصلتك هذه الرسالة لأن أحدًا أنشأ حسابًا للعنوان { $email } في { $product }.

new-device-subject = دخول من جهاز جديد
new-device-preview = إن كنت أنت، فلا حاجة إلى شيء.
new-device-title = دخول من جهاز جديد
new-device-lead = دخل أحد إلى حسابك في { $product } من جهاز لم نره من قبل.
new-device-button = عرض أجهزتي
new-device-note = كنت أنت؟ إذن لا حاجة إلى شيء. وإلا فسجّل خروج ذلك الجهاز وغيّر كلمة مرورك.

sign-in-after-failures-subject = دخول بعد كلمات مرور خاطئة
sign-in-after-failures-preview = إن كنت أنت، فلا حاجة إلى شيء.
sign-in-after-failures-title = دخول بعد كلمات مرور خاطئة
sign-in-after-failures-lead = { $count ->
    [one] دخل أحد إلى حسابك في { $product } بعد كلمة مرور خاطئة.
    [two] دخل أحد إلى حسابك في { $product } بعد كلمتي مرور خاطئتين.
    [few] دخل أحد إلى حسابك في { $product } بعد { $count } كلمات مرور خاطئة.
   *[other] دخل أحد إلى حسابك في { $product } بعد { $count } كلمة مرور خاطئة.
}
sign-in-after-failures-button = عرض أجهزتي
sign-in-after-failures-note = كنت أنت؟ إذن لا حاجة إلى شيء. وإلا فسجّل خروج ذلك الجهاز وغيّر كلمة مرورك.

account-locked-subject = حسابك مقفل لبعض الوقت
account-locked-preview = أدخل أحد كلمة مرور خاطئة مرات كثيرة.
account-locked-title = حسابك مقفل لبعض الوقت
account-locked-lead = أدخل أحد كلمة مرور خاطئة لحسابك في { $product } مرات كثيرة. لا يستطيع أحد الدخول بكلمة مرور لبعض الوقت، حتى بالصحيحة.
account-locked-button = { button-account }
account-locked-note = لم يدخل أحد. إن كنت أنت، فانتظر وحاول مرة أخرى، أو اختر كلمة مرور جديدة.

session-stolen-subject = سجّلنا خروج أحد أجهزتك
session-stolen-preview = استعمل أحد نسخة من دخوله.
session-stolen-title = سجّلنا خروج أحد أجهزتك
session-stolen-lead = استعمل أحد نسخة مما يبقي أحد أجهزتك داخلًا إلى { $product }. سجّلنا خروج ذلك الجهاز، فلم تعد للنسخة قيمة.
session-stolen-button = عرض أجهزتي
session-stolen-note = ادخل من جديد على ذلك الجهاز. إن تكرر هذا، فاختر كلمة مرور جديدة، وابحث في الجهاز عن برامج لا مكان لها فيه.

registration-repeated-subject = لديك حساب بالفعل
registration-repeated-preview = سجّل أحد بعنوانك.
registration-repeated-title = لديك حساب بالفعل
registration-repeated-lead = سجّل أحد، وربما أنت، في { $product } بهذا العنوان. له حساب بالفعل، فلم يُنشأ غيره.
registration-repeated-button = الدخول
registration-repeated-note = لا تعرف كلمة مرورك؟ اختر واحدة جديدة في صفحة الدخول. وإن لم تكن أنت، فلا حاجة إلى شيء.

digest-subject = { $count ->
    [one] رسالة واحدة من { $product }
    [two] رسالتان من { $product }
    [few] { $count } رسائل من { $product }
   *[other] { $count } رسالة من { $product }
}
digest-preview = ما وصل منذ الملخص الأخير.
digest-title = الجديد
digest-lead = { $count ->
    [one] وصلتك رسالة واحدة في { $product }.
    [two] وصلتك رسالتان في { $product }.
    [few] وصلتك { $count } رسائل في { $product }.
   *[other] وصلتك { $count } رسالة في { $product }.
}
digest-button = عرض بريدي الوارد
digest-why = تصلك هذه الرسالة لأنك اخترت ملخصًا في { $product }.

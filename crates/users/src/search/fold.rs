//! How names are compared: the same for capital and small letters, and for spellings that look alike.

use unicode_normalization::UnicodeNormalization as _;

/// A text as it is compared, sorted and searched: compatibility forms first (NFKC), then small letters. Every
/// accent stays: `zoe` does not find `Zoë`.
pub(crate) fn fold(text: &str) -> String {
    // Lower case can come apart into characters that belong together (`İ`), so it is put together again.
    text.nfkc().collect::<String>().to_lowercase().nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_brings_spellings_together_and_is_done_once() {
        assert_eq!(fold("ZOË"), fold("zoe\u{308}"));
        assert_eq!(fold("Ａｎｎ ﬁsh"), "ann fish");
        assert_eq!(fold("ΜΙΧΆΛΗΣ"), fold("Μιχάλης"));
        for text in ["İstanbul", "STRASSE ß", "ΌΣΟΣ Σ", "Ǆ ǲ", "ﷺ", "Ⅷ", "\u{1f1}\u{345}"] {
            assert_eq!(fold(&fold(text)), fold(text), "{text}");
        }
    }
}

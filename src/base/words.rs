//! Enums whose variants are words in configurations: each knows its words, so that the text of an option, its typed
//! setter and the error about a wrong word cannot drift apart.

/// Declares enums together with the words that stand for them in [`Config::set`](crate::Config::set) and in URLs. The
/// first variant is the default.
macro_rules! words {
    ($($(#[$about:meta])* enum $Choice:ident {
        $(#[$first_about:meta])* $First:ident = $first:literal,
        $($(#[$variant_about:meta])* $Variant:ident = $word:literal,)*
    })*) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[non_exhaustive]
        pub enum $Choice {
            $(#[$first_about])* #[default] $First,
            $($(#[$variant_about])* $Variant,)*
        }

        impl $Choice {
            /// All words, as an error lists them.
            pub(crate) const WORDS: &'static str = concat!("`", $first, "`", $(" or `", $word, "`",)*);

            pub(crate) fn of_word(word: &str) -> Option<Self> {
                match word {
                    $first => Some($Choice::$First),
                    $($word => Some($Choice::$Variant),)*
                    _ => None,
                }
            }

            /// The word that stands for it in `Config::set` and in URLs.
            pub fn as_str(self) -> &'static str {
                match self {
                    $Choice::$First => $first,
                    $($Choice::$Variant => $word,)*
                }
            }
        }
    )*};
}

pub(crate) use words;

//! What a setting is, and the macro that states one: field, type, documentation, default, unit and bounds in one place,
//! so that the code, `config show` and the reference cannot disagree.

/// A group of settings: one table of the file.
#[derive(Debug)]
pub struct Section {
    /// The table's name and a dot; empty for the top of the file.
    pub prefix: &'static str,
    /// What the group is about.
    pub about: &'static str,
    /// Its settings.
    pub settings: &'static [Setting],
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file, with its table.
    pub key: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its value when nobody says anything; empty for none.
    pub default: &'static str,
    /// What it is counted in.
    pub unit: &'static str,
    /// A flag of its own; all have `--set KEY=VALUE`.
    pub flag: Option<&'static str>,
    /// Least and most, where it is a number.
    pub bounds: Option<(u64, u64)>,
    /// Never shown.
    pub secret: bool,
}

impl Setting {
    /// Its environment variable.
    pub fn env(&self) -> String {
        format!("ALMONER_{}", self.key.replace('.', "_").to_uppercase())
    }
}

/// States a section: a struct whose fields read themselves from the layers.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident = $prefix:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $default:literal, $unit:literal
                $(, flag $flag:literal)? $(, within $least:literal to $most:literal)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl $name {
            /// What the reference says of it.
            pub const SECTION: $crate::config::Section = $crate::config::Section {
                prefix: $prefix,
                about: concat!($($about),+),
                settings: &[$($crate::config::Setting {
                    key: concat!($prefix, stringify!($field)),
                    doc: concat!($($doc),+),
                    default: $default,
                    unit: $unit,
                    flag: $crate::config::section::optional!($($flag)?),
                    bounds: $crate::config::section::optional!($(($least, $most))?),
                    secret: <$type as $crate::config::Value>::SECRET,
                },)+],
            };

            /// Reads the section.
            pub fn read(layers: &$crate::config::Layers) -> Result<Self, $crate::config::ConfigError> {
                Ok(Self { $($field: layers.read(concat!($prefix, stringify!($field)))?,)+ })
            }
        }
    };
}

macro_rules! optional {
    () => {
        None
    };
    ($given:expr) => {
        Some($given)
    };
}

pub(super) use {optional, section};

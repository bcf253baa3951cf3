//! Files that are rendered from templates in `templates/render`.
//!
//! A template is a working file: it holds example values, such as `acme-service` for the name of the service, which are replaced. Braces in
//! it belong to the language of the file.

/// A file of a template: its path, and its text.
pub type Template = (&'static str, &'static str);

/// Embeds files of a folder in `templates/render`.
macro_rules! templates {
    ($folder:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../templates/render/", $folder, "/", $path)))),*]
    };
}
pub(super) use templates;

/// A text with each example value replaced.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (example, value)| text.replace(example, value))
}

//! What is typed into the browser's filter: words of names, `type:sk_buff`, and parts of paths (`file:inode`, `fs/ext4`).

/// The filter, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Fuzzy, of the point's name.
    pub words: String,
    /// Part of the name of a type that is seen there.
    pub of_type: Option<String>,
    /// Parts of the path it is listed under.
    pub files: Vec<String>,
}

impl Query {
    pub fn parse(text: &str) -> Self {
        let mut query = Self::default();
        let mut words = Vec::new();
        for word in text.split_whitespace() {
            match (word.strip_prefix("type:"), word.strip_prefix("file:")) {
                (Some(part), _) => query.of_type = Some(part.to_owned()).filter(|part| !part.is_empty()),
                (None, Some(part)) => query.files.push(part.to_owned()),
                (None, None) if word.contains('/') => query.files.push(word.to_owned()),
                (None, None) if words.contains(&word) => (),
                (None, None) => words.push(word),
            }
        }
        query.words = words.join(" ");
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_types_and_files() {
        let query = Query::parse("type:sk_buff xmit net/core file:dev.c q");
        assert_eq!((query.words.as_str(), query.of_type.as_deref()), ("xmit q", Some("sk_buff")));
        assert_eq!(query.files, ["net/core", "dev.c"]);
        assert_eq!(Query::parse("type:"), Query::default());
        assert_eq!(Query::parse(" e ee e e "), Query::parse("e ee"));
    }
}

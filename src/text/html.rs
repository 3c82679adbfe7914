//! Markup in which text is text: whatever becomes part of it is escaped on the way in.

use super::sanitize::sanitize;

/// A piece of a page. A string becomes one by being escaped; only what stands in this
/// program as a literal is markup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Html(String);

impl Html {
    /// An element; its `start` is its name with the attributes that are always the same.
    pub(crate) fn element(start: &'static str, content: impl Into<Self>) -> Self {
        Self::with(start, &[], content)
    }

    /// An element with further attributes, the values of which are escaped.
    pub(crate) fn with(
        start: &'static str,
        attributes: &[(&'static str, &str)],
        content: impl Into<Self>,
    ) -> Self {
        let name = start.split(' ').next().unwrap_or_default();
        let values = attributes
            .iter()
            .map(|(name, value)| format!(" {name}=\"{}\"", escape(value)));
        let values: String = values.collect();
        Self(format!("<{start}{values}>{}</{name}>", content.into().0))
    }

    /// Adds to its end.
    pub(crate) fn push(&mut self, more: impl Into<Self>) {
        self.0.push_str(&more.into().0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl<T: AsRef<str> + ?Sized> From<&T> for Html {
    fn from(text: &T) -> Self {
        Self(escape(text.as_ref()))
    }
}

impl From<String> for Html {
    fn from(text: String) -> Self {
        Self(escape(&text))
    }
}

impl<T: Into<Self>> From<Option<T>> for Html {
    fn from(piece: Option<T>) -> Self {
        piece.map_or_else(Self::default, Into::into)
    }
}

impl<const N: usize> From<[Self; N]> for Html {
    fn from(pieces: [Self; N]) -> Self {
        pieces.into_iter().collect()
    }
}

impl FromIterator<Self> for Html {
    fn from_iter<I: IntoIterator<Item = Self>>(pieces: I) -> Self {
        Self(pieces.into_iter().map(|piece| piece.0).collect())
    }
}

/// `text` as the content of an element or the value of a quoted attribute: no character
/// of it is markup, and none acts on the direction of writing.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in sanitize(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_escaped_wherever_it_comes_in() {
        let hostile = "</script><img src=x onerror='a\"b'>&\u{202e}\u{1b}";
        let page = Html::with("p class=x", &[("title", hostile)], hostile).into_string();
        let safe = "&lt;/script&gt;&lt;img src=x onerror=&#39;a&quot;b&#39;&gt;&amp;\u{fffd}";
        assert_eq!(page, format!("<p class=x title=\"{safe}\">{safe}</p>"));
    }

    #[test]
    fn pieces_are_joined_as_they_are() {
        let row = Html::with("rect class=b", &[("x", "1%")], "");
        let list = Html::element(
            "ul",
            [Html::from("a < b"), Html::from(None::<Html>), row.clone()],
        );
        assert_eq!(
            list.into_string(),
            "<ul>a &lt; b<rect class=b x=\"1%\"></rect></ul>"
        );
        assert!(!row.is_empty() && Html::from("").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_is_markup(text in any::<String>()) {
            let page = Html::from(&text).into_string();
            prop_assert!(!page.contains(['<', '>', '"', '\'']));
            let unescaped = page
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&#39;", "'")
                .replace("&amp;", "&");
            prop_assert_eq!(unescaped, sanitize(&text).into_owned());
        }
    }
}

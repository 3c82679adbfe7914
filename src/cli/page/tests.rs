//! What holds of every page, whatever it says.

use super::{SCRIPT, STYLE, hash};

/// The elements that a page is made of.
const ELEMENTS: &[&str] = &[
    "a",
    "article",
    "b",
    "blockquote",
    "body",
    "circle",
    "code",
    "dd",
    "defs",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "head",
    "header",
    "html",
    "li",
    "line",
    "main",
    "nav",
    "ol",
    "p",
    "pattern",
    "rect",
    "script",
    "section",
    "small",
    "span",
    "style",
    "summary",
    "svg",
    "text",
    "title",
    "ul",
];

/// Panics unless every element of `page` is one of ours and ends where it should, nothing but
/// the one style and the one script is allowed, and no character acts.
pub(in crate::cli) fn assert_sound(page: &str) {
    let acts = |c: char| {
        c != '\n' && c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!page.contains(acts), "{page}");
    let (head, rest) = page.split_once("<style>").expect("a style");
    let (style, rest) = rest.split_once("</style>").expect("its end");
    let (body, rest) = rest.split_once("<script>").expect("a script");
    let (script, end) = rest.split_once("</script>").expect("its end");
    assert_eq!((style, script), (STYLE, SCRIPT));
    let policy = format!(
        "content=\"default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'\">",
        hash(style),
        hash(script)
    );
    assert!(head.contains(&policy), "{head}");
    let mut open: Vec<&str> = Vec::new();
    let markup = [head, body, end].concat();
    for piece in markup.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "{piece}");
        let name = tag.split(' ').next().expect("a name");
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{piece}");
        } else if name != "meta" && name != "!doctype" {
            assert!(ELEMENTS.contains(&name), "{piece}");
            open.push(name);
        }
        for handler in [" on", " style=", " src="] {
            assert!(!outside_quotes(tag).contains(handler), "{piece}");
        }
        if let Some((_, target)) = tag.split_once("href=\"#") {
            let target = target.split('"').next().expect("its end");
            assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        } else {
            assert!(!tag.contains("href"), "{piece}");
        }
    }
    assert_eq!(open, [""; 0]);
}

fn outside_quotes(tag: &str) -> String {
    tag.split('"').step_by(2).collect()
}

/// What a reader sees of it, a line for each piece.
pub(in crate::cli) fn text(page: &str) -> String {
    let (_, main) = page.split_once("<main>").expect("what is said");
    let (main, _) = main.split_once("<footer>").expect("its end");
    let mut text = String::new();
    for piece in main.split('<') {
        let (tag, words) = piece.split_once('>').unwrap_or(("", piece));
        if !matches!(tag, "span class=whole" | "/span") {
            text.push('\n');
        }
        text.push_str(words);
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = Vec::from_iter(lines).join("\n");
    let characters = [
        ("lt", "<"),
        ("gt", ">"),
        ("quot", "\""),
        ("#39", "'"),
        ("amp", "&"),
    ];
    characters.iter().fold(text, |text, (name, character)| {
        text.replace(&format!("&{name};"), character)
    })
}

#[test]
fn the_hash_is_that_of_the_standard() {
    // FIPS 180-2, appendix B.1.
    assert_eq!(
        hash("abc"),
        "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
    );
}

//! Reads out of a query of Prometheus which metrics and which labels it uses. It does not judge the query: promtool
//! does, for whoever has it.

use std::iter::Peekable;
use std::vec::IntoIter;

/// Words that are followed by a list of labels.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words between two parts of a query.
const BETWEEN: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];

/// What a query uses.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Its selectors.
    pub selectors: Vec<Selector>,
    /// The labels by which it groups and matches.
    pub labels: Vec<String>,
}

/// A metric with its conditions.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// The metric.
    pub metric: String,
    /// Each label with how it is compared and with what.
    pub matchers: Vec<(String, String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

type Tokens = Peekable<IntoIter<Token>>;

impl Query {
    /// Reads a query.
    pub fn read(text: &str) -> Self {
        let mut query = Self::default();
        let mut tokens = tokens(text).into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                Token::Word(word) if LISTS.contains(&word.as_str()) => {
                    if next_is(&mut tokens, "(") {
                        query.labels.extend(until(&mut tokens, ")").into_iter().filter_map(word_of));
                    }
                }
                Token::Word(word) if BETWEEN.contains(&word.as_str()) => {}
                // A function, or what sums up; a word that is followed by a list of labels is one of the latter.
                Token::Word(_) if matches!(tokens.peek(), Some(Token::Sign(sign)) if sign == "(") => {}
                Token::Word(word) if is_followed_by_list(&mut tokens) => drop(word),
                Token::Word(metric) => {
                    let matchers =
                        if next_is(&mut tokens, "{") { matchers(&until(&mut tokens, "}")) } else { Vec::new() };
                    query.selectors.push(Selector { metric, matchers });
                }
                Token::Sign(sign) if sign == "[" => drop(until(&mut tokens, "]")),
                Token::Sign(_) | Token::Text(_) => {}
            }
        }
        query
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
        let length = match first {
            '"' | '\'' | '`' => {
                let inside = &rest[1..];
                let end = inside.find(first).unwrap_or_else(|| panic!("a text without end in {text}"));
                assert!(!inside[..end].contains('\\'), "texts with backslashes are not read here: {text}");
                tokens.push(Token::Text(inside[..end].to_owned()));
                end + 2
            }
            first if first.is_ascii_digit() => {
                rest.find(|character: char| !is_word(character) && character != '.').unwrap_or(rest.len())
            }
            first if is_word(first) => {
                let end = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].to_owned()));
                end
            }
            first => {
                let two = rest.get(..2).filter(|two| ["=~", "!~", "!=", "==", ">=", "<="].contains(two));
                let sign = two.unwrap_or(&rest[..first.len_utf8()]);
                tokens.push(Token::Sign(sign.to_owned()));
                sign.len()
            }
        };
        rest = rest[length..].trim_start();
    }
    tokens
}

fn next_is(tokens: &mut Tokens, sign: &str) -> bool {
    tokens.next_if(|token| matches!(token, Token::Sign(next) if next == sign)).is_some()
}

fn is_followed_by_list(tokens: &mut Tokens) -> bool {
    matches!(tokens.peek(), Some(Token::Word(word)) if ["by", "without"].contains(&word.as_str()))
}

/// What comes before the next sign of this kind, which is taken too.
fn until(tokens: &mut Tokens, end: &str) -> Vec<Token> {
    let mut inside = Vec::new();
    while !next_is(tokens, end) {
        inside.push(tokens.next().unwrap_or_else(|| panic!("{end} is missing after {inside:?}")));
    }
    inside
}

fn word_of(token: Token) -> Option<String> {
    if let Token::Word(word) = token { Some(word) } else { None }
}

fn matchers(tokens: &[Token]) -> Vec<(String, String, String)> {
    let conditions = tokens.split(|token| *token == Token::Sign(",".to_owned())).filter(|some| !some.is_empty());
    let condition = |some: &[Token]| match some {
        [Token::Word(label), Token::Sign(how), Token::Text(value)] => (label.clone(), how.clone(), value.clone()),
        other => panic!("no condition: {other:?}"),
    };
    conditions.map(condition).collect()
}

#[test]
fn metrics_and_labels_are_read_out_of_queries() {
    let selector = |metric: &str, matchers: &[(&str, &str, &str)]| Selector {
        metric: metric.to_owned(),
        matchers: matchers.iter().map(|(l, h, v)| (l.to_string(), h.to_string(), v.to_string())).collect(),
    };
    let read = Query::read(
        r#"sum by (job, le) (rate(a_bucket{x="1,2", y!~"b.*"}[5m])) / on (z) group_left () b > 1.5e3 and c{} offset 5m"#,
    );
    let expected =
        [selector("a_bucket", &[("x", "=", "1,2"), ("y", "!~", "b.*")]), selector("b", &[]), selector("c", &[])];
    assert_eq!(
        (read.selectors.as_slice(), read.labels),
        (&expected[..], ["job", "le", "z"].map(str::to_owned).to_vec())
    );
    let read = Query::read("delta(max by (t) (a{s='d'})[1h:1m]) > 0 or absent(b) unless count(c) without (u)");
    let expected = [selector("a", &[("s", "=", "d")]), selector("b", &[]), selector("c", &[])];
    assert_eq!((read.selectors.as_slice(), read.labels), (&expected[..], ["t", "u"].map(str::to_owned).to_vec()));
}

//! The grammar of label selectors in queries.

use std::collections::BTreeSet;

use super::{Operator, Requirement, SelectorError};
use crate::field::go_quote;
use crate::name;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Error,
    End,
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Greater,
    Identifier,
    In,
    Less,
    NotEquals,
    NotIn,
    Open,
}

/// The grammar reads `in` and `notin` as operators or as plain words, depending on where they stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Operator,
    Value,
}

fn symbol(text: &str) -> Option<Token> {
    Some(match text {
        ")" => Token::Close,
        "," => Token::Comma,
        "!" => Token::Not,
        "==" => Token::DoubleEquals,
        "=" => Token::Equals,
        ">" => Token::Greater,
        "in" => Token::In,
        "<" => Token::Less,
        "!=" => Token::NotEquals,
        "notin" => Token::NotIn,
        "(" => Token::Open,
        _ => return None,
    })
}

fn special(c: char) -> bool {
    "=!(),><".contains(c)
}

fn blank(c: char) -> bool {
    " \t\r\n".contains(c)
}

fn scan(query: &str) -> Vec<(Token, &str)> {
    let mut tokens = Vec::new();
    // Go's scanner ends at a zero byte.
    let mut rest = query.split('\0').next().unwrap_or_default();
    loop {
        rest = rest.trim_start_matches(blank);
        let Some(first) = rest.chars().next() else { break };
        let length = if special(first) {
            // The longest symbol at this place: two characters, or one.
            let two = rest.char_indices().nth(1).filter(|(_, c)| special(*c)).map(|(at, c)| at + c.len_utf8());
            two.filter(|two| symbol(&rest[..*two]).is_some()).unwrap_or(1)
        } else {
            rest.find(|c| special(c) || blank(c)).unwrap_or(rest.len())
        };
        let (text, after) = rest.split_at(length);
        let fallback = if special(first) { Token::Error } else { Token::Identifier };
        tokens.push((symbol(text).unwrap_or(fallback), text));
        rest = after;
    }
    tokens.push((Token::End, ""));
    tokens
}

struct Parser<'q> {
    tokens: Vec<(Token, &'q str)>,
    at: usize,
}

fn found<T>(text: &str, expected: &str) -> Result<T, SelectorError> {
    Err(SelectorError(format!("found '{text}', expected: {expected}")))
}

pub(super) fn parse(query: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser { tokens: scan(query), at: 0 };
    let mut requirements = Vec::new();
    loop {
        match parser.peek(Context::Value) {
            (Token::Identifier | Token::Not, _) => {
                let requirement = parser
                    .requirement()
                    .map_err(|error| SelectorError(format!("unable to parse requirement: {error}")))?;
                requirements.push(requirement);
                match parser.take(Context::Value) {
                    (Token::End, _) => return Ok(requirements),
                    (Token::Comma, _) => {
                        let (next, text) = parser.peek(Context::Value);
                        if !matches!(next, Token::Identifier | Token::Not) {
                            return found(text, "identifier after ','");
                        }
                    }
                    (_, text) => return found(text, "',' or 'end of string'"),
                }
            }
            (Token::End, _) => return Ok(requirements),
            (_, text) => return found(text, "!, identifier, or 'end of string'"),
        }
    }
}

impl<'q> Parser<'q> {
    fn peek(&self, context: Context) -> (Token, &'q str) {
        let (token, text) = self.tokens.get(self.at).copied().unwrap_or((Token::End, ""));
        match token {
            Token::In | Token::NotIn if context == Context::Value => (Token::Identifier, text),
            _ => (token, text),
        }
    }

    fn take(&mut self, context: Context) -> (Token, &'q str) {
        let taken = self.peek(context);
        self.at += 1;
        taken
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let (mut token, mut key) = self.take(Context::Value);
        let negated = token == Token::Not;
        if negated {
            (token, key) = self.take(Context::Value);
        }
        if token != Token::Identifier {
            return found(key, "identifier");
        }
        let bad = name::label_key(key);
        if !bad.is_empty() {
            return Err(SelectorError(format!("<nil>: Invalid value: {}: {}", go_quote(key), bad.join("; "))));
        }
        if negated {
            return Requirement::new(key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek(Context::Value).0, Token::End | Token::Comma) {
            return Requirement::new(key, Operator::Exists, Vec::new());
        }
        let operator = self.operator()?;
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => self.exact()?,
        };
        Requirement::new(key, operator, values.into_iter().collect())
    }

    fn operator(&mut self) -> Result<Operator, SelectorError> {
        let (token, text) = self.take(Context::Operator);
        Ok(match token {
            Token::In => Operator::In,
            Token::NotIn => Operator::NotIn,
            Token::Equals => Operator::Equals,
            Token::DoubleEquals => Operator::DoubleEquals,
            Token::NotEquals => Operator::NotEquals,
            Token::Greater => Operator::GreaterThan,
            Token::Less => Operator::LessThan,
            _ => return found(text, "in, notin, =, ==, !=, gt, lt"),
        })
    }

    fn values(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let (token, text) = self.take(Context::Value);
        if token != Token::Open {
            return Err(SelectorError(format!("found '{text}' expected: '('")));
        }
        match self.peek(Context::Value) {
            (Token::Identifier | Token::Comma, text) => {
                let values = self.identifiers()?;
                if self.take(Context::Value).0 != Token::Close {
                    return found(text, "')'");
                }
                Ok(values)
            }
            (Token::Close, _) => {
                self.at += 1;
                Ok(BTreeSet::from([String::new()]))
            }
            (_, text) => found(text, "',', ')' or identifier"),
        }
    }

    fn identifiers(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let mut values = BTreeSet::new();
        loop {
            match self.take(Context::Value) {
                (Token::Identifier, text) => {
                    values.insert(text.to_owned());
                    match self.peek(Context::Value) {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => return Ok(values),
                        (_, text) => return found(text, "',' or ')'"),
                    }
                }
                (Token::Comma, _) => {
                    let next = self.peek(Context::Value).0;
                    if values.is_empty() || matches!(next, Token::Close | Token::Comma) {
                        values.insert(String::new());
                    }
                    if next == Token::Close {
                        return Ok(values);
                    }
                }
                (_, text) => return found(text, "',', or identifier"),
            }
        }
    }

    fn exact(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        if matches!(self.peek(Context::Value).0, Token::End | Token::Comma) {
            return Ok(BTreeSet::from([String::new()]));
        }
        match self.take(Context::Value) {
            (Token::Identifier, text) => Ok(BTreeSet::from([text.to_owned()])),
            (_, text) => found(text, "identifier"),
        }
    }
}

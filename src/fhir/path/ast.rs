//! An expression as it was written: what the parser makes and the printer writes.
//!
//! Brackets are not kept; the printer sets them where precedence needs them, so that what is printed
//! reads as the same tree.

use std::fmt;

use rust_decimal::Decimal;

use super::temporal::Temporal;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ast {
    /// `{}`.
    Empty,
    /// A literal.
    Literal(Literal),
    /// `$this`, `$index`, `$total`.
    This,
    /// `$index`.
    Index,
    /// `$total`.
    Total,
    /// `%name`.
    Variable(Box<str>),
    /// A name or a function at the beginning of a path (`None`) or after a dot.
    Name(Option<Box<Ast>>, Box<str>),
    /// A function with its arguments.
    Call(Option<Box<Ast>>, Box<str>, Vec<Ast>),
    /// `a[b]`.
    At(Box<Ast>, Box<Ast>),
    /// `-a` or, false, `+a`.
    Sign(bool, Box<Ast>),
    /// `a is T`, or, false, `a as T`.
    Type(bool, Box<Ast>, TypeName),
    /// Two sides.
    Binary(Binary, Box<Ast>, Box<Ast>),
    /// `a and b and c`: operators that may be regrouped, two or more parts.
    Chain(Chain, Vec<Ast>),
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Boolean(bool),
    Text(Box<str>),
    Integer(i64),
    Decimal(Decimal),
    Temporal(Temporal),
    /// Value, unit, whether the unit is a calendar word.
    Quantity(Decimal, Box<str>, bool),
}

/// The name of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypeName {
    /// `System` or `FHIR`, where it is given.
    pub space: Option<Box<str>>,
    pub name: Box<str>,
}

/// Operators that may be regrouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    And,
    Or,
    Union,
}

/// Operators with two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Implies,
    Xor,
    In,
    Contains,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Concat,
    Multiply,
    Divide,
    Div,
    Mod,
}

impl Chain {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Chain::And => "and",
            Chain::Or => "or",
            Chain::Union => "|",
        }
    }

    pub(super) fn power(self) -> u8 {
        match self {
            Chain::Or => 2,
            Chain::And => 3,
            Chain::Union => 7,
        }
    }
}

/// How strongly `is` and `as` bind.
pub(super) const TYPE_POWER: u8 = 8;
/// How strongly a sign binds.
pub(super) const SIGN_POWER: u8 = 11;
/// How strongly dots and brackets bind.
const TERM_POWER: u8 = 12;

impl Binary {
    /// All of them.
    pub(super) const ALL: &'static [Binary] = &[
        Binary::Implies,
        Binary::Xor,
        Binary::In,
        Binary::Contains,
        Binary::Equal,
        Binary::NotEqual,
        Binary::Equivalent,
        Binary::NotEquivalent,
        Binary::Less,
        Binary::LessOrEqual,
        Binary::Greater,
        Binary::GreaterOrEqual,
        Binary::Add,
        Binary::Subtract,
        Binary::Concat,
        Binary::Multiply,
        Binary::Divide,
        Binary::Div,
        Binary::Mod,
    ];

    pub(super) fn sign(self) -> &'static str {
        match self {
            Binary::Implies => "implies",
            Binary::Xor => "xor",
            Binary::In => "in",
            Binary::Contains => "contains",
            Binary::Equal => "=",
            Binary::NotEqual => "!=",
            Binary::Equivalent => "~",
            Binary::NotEquivalent => "!~",
            Binary::Less => "<",
            Binary::LessOrEqual => "<=",
            Binary::Greater => ">",
            Binary::GreaterOrEqual => ">=",
            Binary::Add => "+",
            Binary::Subtract => "-",
            Binary::Concat => "&",
            Binary::Multiply => "*",
            Binary::Divide => "/",
            Binary::Div => "div",
            Binary::Mod => "mod",
        }
    }

    /// How strongly it binds (N1, "Operator Precedence", read from the end).
    pub(super) fn power(self) -> u8 {
        match self {
            Binary::Implies => 1,
            Binary::Xor => 2,
            Binary::In | Binary::Contains => 4,
            Binary::Equal | Binary::NotEqual | Binary::Equivalent | Binary::NotEquivalent => 5,
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => 6,
            Binary::Add | Binary::Subtract | Binary::Concat => 9,
            Binary::Multiply | Binary::Divide | Binary::Div | Binary::Mod => 10,
        }
    }
}

impl Ast {
    fn power(&self) -> u8 {
        match self {
            Ast::Chain(chain, _) => chain.power(),
            Ast::Binary(binary, ..) => binary.power(),
            Ast::Type(..) => TYPE_POWER,
            Ast::Sign(..) => SIGN_POWER,
            _ => TERM_POWER,
        }
    }

    /// Writes it, in brackets if it binds less strongly than `least`.
    fn write(&self, f: &mut fmt::Formatter<'_>, least: u8) -> fmt::Result {
        if self.power() < least {
            f.write_str("(")?;
            self.write(f, 0)?;
            return f.write_str(")");
        }
        match self {
            Ast::Empty => f.write_str("{}"),
            Ast::Literal(literal) => write!(f, "{literal}"),
            Ast::This => f.write_str("$this"),
            Ast::Index => f.write_str("$index"),
            Ast::Total => f.write_str("$total"),
            Ast::Variable(name) => {
                f.write_str("%")?;
                write_name(f, name)
            }
            Ast::Name(input, name) => {
                Self::write_input(f, input.as_deref())?;
                write_name(f, name)
            }
            Ast::Call(input, name, args) => {
                Self::write_input(f, input.as_deref())?;
                write_name(f, name)?;
                f.write_str("(")?;
                for (at, arg) in args.iter().enumerate() {
                    if at > 0 {
                        f.write_str(", ")?;
                    }
                    arg.write(f, 0)?;
                }
                f.write_str(")")
            }
            Ast::At(input, index) => {
                input.write(f, TERM_POWER)?;
                f.write_str("[")?;
                index.write(f, 0)?;
                f.write_str("]")
            }
            Ast::Sign(minus, inner) => {
                f.write_str(if *minus { "-" } else { "+" })?;
                inner.write(f, SIGN_POWER)
            }
            Ast::Type(is, left, name) => {
                left.write(f, TYPE_POWER)?;
                f.write_str(if *is { " is " } else { " as " })?;
                if let Some(space) = &name.space {
                    write_name(f, space)?;
                    f.write_str(".")?;
                }
                write_name(f, &name.name)
            }
            Ast::Binary(binary, left, right) => {
                left.write(f, binary.power())?;
                write!(f, " {} ", binary.sign())?;
                right.write(f, binary.power() + 1)
            }
            Ast::Chain(chain, parts) => {
                for (at, part) in parts.iter().enumerate() {
                    if at > 0 {
                        write!(f, " {} ", chain.sign())?;
                    }
                    part.write(f, chain.power() + u8::from(at > 0 || is_same(part, *chain)))?;
                }
                Ok(())
            }
        }
    }

    fn write_input(f: &mut fmt::Formatter<'_>, input: Option<&Ast>) -> fmt::Result {
        match input {
            Some(input) => {
                input.write(f, TERM_POWER)?;
                f.write_str(".")
            }
            None => Ok(()),
        }
    }
}

fn is_same(part: &Ast, chain: Chain) -> bool {
    matches!(part, Ast::Chain(own, _) if *own == chain)
}

impl fmt::Display for Ast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Boolean(value) => write!(f, "{value}"),
            Literal::Text(text) => write_quoted(f, '\'', text),
            Literal::Integer(value) => write!(f, "{value}"),
            Literal::Decimal(value) => write!(f, "{value}"),
            Literal::Temporal(value) => write!(f, "@{}", value.literal()),
            Literal::Quantity(value, unit, true) => write!(f, "{value} {unit}"),
            Literal::Quantity(value, unit, false) => {
                write!(f, "{value} ")?;
                write_quoted(f, '\'', unit)
            }
        }
    }
}

/// Words that must stand in backticks to be a name.
pub(super) const KEYWORDS: &[&str] = &[
    "and", "as", "contains", "div", "false", "implies", "in", "is", "mod", "or", "true", "xor",
];

fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEYWORDS.contains(&name)
        && calendar_word(name).is_none();
    if plain {
        f.write_str(name)
    } else {
        write_quoted(f, '`', name)
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, quote: char, text: &str) -> fmt::Result {
    use fmt::Write as _;
    f.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{c}' => f.write_str("\\f")?,
            '\\' => f.write_str("\\\\")?,
            c if c == quote => write!(f, "\\{c}")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char(quote)
}

/// The singular of a calendar unit's word.
pub(super) fn calendar_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "year" | "years" => "year",
        "month" | "months" => "month",
        "week" | "weeks" => "week",
        "day" | "days" => "day",
        "hour" | "hours" => "hour",
        "minute" | "minutes" => "minute",
        "second" | "seconds" => "second",
        "millisecond" | "milliseconds" => "millisecond",
        _ => return None,
    })
}

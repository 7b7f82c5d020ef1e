//! Tokens to an expression, by operator precedence. Bounded: depth and size of what it makes.

use rust_decimal::Decimal;

use super::ast::{Ast, Binary, Chain, Literal, SIGN_POWER, TYPE_POWER, TypeName, calendar_word};
use super::error::{ErrorKind, PathError};
use super::lexer::{self, Kind, Token};

/// Longest text that is read, in bytes.
pub(super) const TEXT_MAX: usize = 64 << 10;
/// Deepest nesting: brackets, arguments and steps of a path.
pub(super) const DEPTH_MAX: usize = 96;

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Ast, PathError> {
    if text.len() > TEXT_MAX {
        return Err(PathError::limit("the expression is longer than 64 kB"));
    }
    let mut parser = Parser {
        tokens: lexer::tokens(text)?,
        at: 0,
        depth: 0,
    };
    let tree = parser.expression(0)?;
    match parser.peek() {
        Kind::End => Ok(tree.ast),
        _ => Err(parser.wrong("the expression should end here")),
    }
}

/// A tree with its height.
struct Tree {
    ast: Ast,
    height: usize,
}

impl Tree {
    fn leaf(ast: Ast) -> Tree {
        Tree { ast, height: 1 }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

enum Operator {
    Chain(Chain),
    Binary(Binary),
    Type(bool),
}

impl Operator {
    fn power(&self) -> u8 {
        match self {
            Operator::Chain(chain) => chain.power(),
            Operator::Binary(binary) => binary.power(),
            Operator::Type(_) => TYPE_POWER,
        }
    }
}

fn too_deep() -> PathError {
    PathError::new(
        ErrorKind::Limit,
        "the expression is nested deeper than 96 levels",
    )
}

impl Parser {
    fn peek(&self) -> &Kind {
        &self.tokens[self.at].kind
    }

    fn next(&mut self) -> Kind {
        let kind = self.tokens[self.at].kind.clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        kind
    }

    fn wrong(&self, words: &'static str) -> PathError {
        PathError::syntax(words, self.tokens[self.at].at)
    }

    fn take(&mut self, sign: &'static str) -> bool {
        let fits = *self.peek() == Kind::Sign(sign);
        if fits {
            self.at += 1;
        }
        fits
    }

    fn need(&mut self, sign: &'static str, words: &'static str) -> Result<(), PathError> {
        if self.take(sign) {
            Ok(())
        } else {
            Err(self.wrong(words))
        }
    }

    fn grown(&self, ast: Ast, below: usize) -> Result<Tree, PathError> {
        if below >= DEPTH_MAX {
            return Err(too_deep());
        }
        Ok(Tree {
            ast,
            height: below + 1,
        })
    }

    fn operator(&self) -> Option<Operator> {
        let sign = match self.peek() {
            Kind::Sign(sign) => *sign,
            Kind::Word(word) => word.as_str(),
            _ => return None,
        };
        match sign {
            "and" => return Some(Operator::Chain(Chain::And)),
            "or" => return Some(Operator::Chain(Chain::Or)),
            "|" => return Some(Operator::Chain(Chain::Union)),
            "is" => return Some(Operator::Type(true)),
            "as" => return Some(Operator::Type(false)),
            _ => {}
        }
        let found = Binary::ALL.iter().find(|binary| binary.sign() == sign);
        found.map(|binary| Operator::Binary(*binary))
    }

    /// An expression of operators that bind at least as strongly as `least`.
    fn expression(&mut self, least: u8) -> Result<Tree, PathError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let mut left = self.signed()?;
        let mut bracketed = true;
        while let Some(operator) = self.operator() {
            let power = operator.power();
            if power < least {
                break;
            }
            self.next();
            left = match operator {
                Operator::Type(is) => {
                    let name = self.type_name()?;
                    self.grown(Ast::Type(is, Box::new(left.ast), name), left.height)?
                }
                Operator::Binary(binary) => {
                    let right = self.expression(power + 1)?;
                    let height = left.height.max(right.height);
                    let ast = Ast::Binary(binary, Box::new(left.ast), Box::new(right.ast));
                    self.grown(ast, height)?
                }
                Operator::Chain(chain) => {
                    let right = self.expression(power + 1)?;
                    let own = matches!(&left.ast, Ast::Chain(own, _) if *own == chain);
                    match left.ast {
                        Ast::Chain(_, mut parts) if own && !bracketed => {
                            parts.push(right.ast);
                            let height = (left.height - 1).max(right.height);
                            self.grown(Ast::Chain(chain, parts), height)?
                        }
                        ast => {
                            let height = left.height.max(right.height);
                            self.grown(Ast::Chain(chain, vec![ast, right.ast]), height)?
                        }
                    }
                }
            };
            bracketed = false;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn signed(&mut self) -> Result<Tree, PathError> {
        let minus = match self.peek() {
            Kind::Sign("-") => true,
            Kind::Sign("+") => false,
            _ => return self.path(),
        };
        self.next();
        let inner = self.expression(SIGN_POWER)?;
        self.grown(Ast::Sign(minus, Box::new(inner.ast)), inner.height)
    }

    /// A term with its dots and indices.
    fn path(&mut self) -> Result<Tree, PathError> {
        let mut left = self.term()?;
        loop {
            if self.take(".") {
                let name = match self.next() {
                    Kind::Word(word) | Kind::Quoted(word) => word,
                    Kind::Special(word) if word == "this" => {
                        return Err(self.wrong("$this cannot follow a dot"));
                    }
                    _ => return Err(self.wrong("a name should follow the dot")),
                };
                left = self.named(Some(left), name)?;
            } else if self.take("[") {
                let index = self.expression(0)?;
                self.need("]", "a ] is missing")?;
                let height = left.height.max(index.height);
                let ast = Ast::At(Box::new(left.ast), Box::new(index.ast));
                left = self.grown(ast, height)?;
            } else {
                return Ok(left);
            }
        }
    }

    /// A name, or a function if a bracket follows.
    fn named(&mut self, input: Option<Tree>, name: String) -> Result<Tree, PathError> {
        let mut height = input.as_ref().map_or(0, |input| input.height);
        let input = input.map(|input| Box::new(input.ast));
        let name = name.into_boxed_str();
        if !self.take("(") {
            return self.grown(Ast::Name(input, name), height);
        }
        let mut args = Vec::new();
        if !self.take(")") {
            loop {
                let arg = self.expression(0)?;
                height = height.max(arg.height);
                args.push(arg.ast);
                // `sort(family desc)`: the direction is a sign on the key.
                if *name == *"sort"
                    && self.direction()
                    && let Some(last) = args.pop()
                {
                    args.push(Ast::Sign(true, Box::new(last)));
                    height += 1;
                }
                if !self.take(",") {
                    break;
                }
            }
            self.need(")", "a ) is missing")?;
        }
        self.grown(Ast::Call(input, name, args), height)
    }

    /// Takes `asc` or `desc`; whether it was `desc`.
    fn direction(&mut self) -> bool {
        let desc = match self.peek() {
            Kind::Word(word) if word == "asc" => false,
            Kind::Word(word) if word == "desc" => true,
            _ => return false,
        };
        self.next();
        desc
    }

    fn term(&mut self) -> Result<Tree, PathError> {
        let start = self.at;
        let literal = |literal| Ok(Tree::leaf(Ast::Literal(literal)));
        match self.next() {
            Kind::Sign("(") => {
                let inner = self.expression(0)?;
                self.need(")", "a ) is missing")?;
                Ok(inner)
            }
            Kind::Sign("{") => {
                self.need("}", "a } is missing")?;
                Ok(Tree::leaf(Ast::Empty))
            }
            Kind::Text(text) => literal(Literal::Text(text.into())),
            Kind::Integer(value) => match self.unit() {
                Some((unit, calendar)) => {
                    literal(Literal::Quantity(Decimal::from(value), unit, calendar))
                }
                None => literal(Literal::Integer(value)),
            },
            Kind::Decimal(value) => match self.unit() {
                Some((unit, calendar)) => literal(Literal::Quantity(value, unit, calendar)),
                None => literal(Literal::Decimal(value)),
            },
            Kind::Temporal(value) => literal(Literal::Temporal(value)),
            Kind::Word(word) if word == "true" || word == "false" => {
                literal(Literal::Boolean(word == "true"))
            }
            Kind::Word(word)
                if matches!(
                    word.as_str(),
                    "and" | "or" | "xor" | "implies" | "div" | "mod"
                ) =>
            {
                self.at = start;
                Err(self.wrong("an operator without its left side"))
            }
            Kind::Word(word) | Kind::Quoted(word) => self.named(None, word),
            Kind::Special(word) => Ok(Tree::leaf(match word.as_str() {
                "this" => Ast::This,
                "index" => Ast::Index,
                "total" => Ast::Total,
                _ => {
                    self.at = start;
                    return Err(self.wrong("only $this, $index and $total are known"));
                }
            })),
            Kind::Percent => match self.next() {
                Kind::Word(name) | Kind::Quoted(name) | Kind::Text(name) => {
                    Ok(Tree::leaf(Ast::Variable(name.into())))
                }
                _ => Err(self.wrong("a name should follow the %")),
            },
            _ => {
                self.at = start;
                Err(self.wrong("a value should stand here"))
            }
        }
    }

    /// The unit after a number.
    fn unit(&mut self) -> Option<(Box<str>, bool)> {
        let unit = match self.peek() {
            Kind::Text(unit) => (unit.as_str().into(), false),
            Kind::Word(word) => (calendar_word(word)?.into(), true),
            _ => return None,
        };
        self.next();
        Some(unit)
    }

    fn type_name(&mut self) -> Result<TypeName, PathError> {
        let word = |parser: &mut Self| match parser.next() {
            Kind::Word(word) | Kind::Quoted(word) => Ok(word.into_boxed_str()),
            _ => Err(parser.wrong("a type should stand here")),
        };
        let first = word(self)?;
        if matches!(&*first, "System" | "FHIR") && self.take(".") {
            let name = word(self)?;
            return Ok(TypeName {
                space: Some(first),
                name,
            });
        }
        Ok(TypeName {
            space: None,
            name: first,
        })
    }
}

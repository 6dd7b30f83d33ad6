//! Checks the types of an expression, as cel-go does when a CustomResourceDefinition is created.

use std::sync::Arc;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

use super::signatures::{NAMESPACES, is_variadic, signatures};
use super::types::Type;

/// What is wrong, and at which node.
#[derive(Debug)]
pub(super) struct TypeError {
    pub(super) id: u64,
    pub(super) message: String,
}

type Checked = Result<Type, TypeError>;

/// Names of types, which are values too.
const TYPES: [&str; 10] = ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];
/// Turns a comprehension over a list without limit is assumed to take, from the largest request and the smallest item.
const UNBOUNDED: u64 = 1_000_000;

/// Checker of one expression.
pub(super) struct Checker {
    /// Variables in scope, innermost last.
    scope: Vec<(String, Type)>,
    /// Product of the sizes of the comprehensions around the current node, and the largest seen.
    turns: u64,
    pub(super) most_turns: u64,
}

fn wrong(id: u64, message: impl Into<String>) -> TypeError {
    TypeError { id, message: message.into() }
}

fn mismatch(id: u64, function: &str, args: &[Type], member: bool) -> TypeError {
    let shown: Vec<String> = args.iter().map(ToString::to_string).collect();
    let applied = match (member, shown.split_first()) {
        (true, Some((target, rest))) => format!("{target}.({})", rest.join(", ")),
        _ => format!("({})", shown.join(", ")),
    };
    wrong(id, format!("found no matching overload for '{function}' applied to '{applied}'"))
}

impl Checker {
    pub(super) fn new(variables: Vec<(String, Type)>) -> Self {
        Checker { scope: variables, turns: 1, most_turns: 1 }
    }

    /// The type of an expression.
    ///
    /// # Errors
    /// The first thing wrong with it.
    pub(super) fn check(&mut self, expr: &IdedExpr) -> Checked {
        match &expr.expr {
            Expr::Ident(name) => self.ident(expr.id, name),
            Expr::Literal(literal) => Ok(match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::Bytes(_) => Type::Bytes,
                LiteralValue::Double(_) => Type::Double,
                LiteralValue::Int(_) => Type::Int,
                LiteralValue::Null => Type::Null,
                LiteralValue::String(_) => Type::String,
                LiteralValue::UInt(_) => Type::Uint,
            }),
            Expr::Select(select) => self.select(expr.id, select),
            Expr::Call(call) => self.call(expr.id, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => {
                let mut items: Option<Type> = None;
                for element in &list.elements {
                    let kind = self.check(element)?;
                    items = Some(match items {
                        Some(items) if items != kind => Type::Dyn,
                        _ => kind,
                    });
                }
                Ok(Type::List(Arc::new(items.unwrap_or(Type::Dyn)), u64::try_from(list.elements.len()).ok()))
            }
            Expr::Map(map) => {
                let mut kinds: Option<(Type, Type)> = None;
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    let (key, value) = (self.check(&entry.key)?, self.check(&entry.value)?);
                    kinds = Some(match kinds {
                        None => (key, value),
                        Some((keys, values)) => (
                            if keys == key { keys } else { Type::Dyn },
                            if values == value { values } else { Type::Dyn },
                        ),
                    });
                }
                let (keys, values) = kinds.unwrap_or((Type::Dyn, Type::Dyn));
                Ok(Type::Map(Arc::new(keys), Arc::new(values), u64::try_from(map.entries.len()).ok()))
            }
            Expr::Struct(literal) => Err(undeclared(expr.id, &literal.type_name)),
            Expr::Unspecified => Err(wrong(expr.id, "unspecified expression")),
        }
    }

    fn variable(&self, name: &str) -> Option<&Type> {
        self.scope.iter().rev().find(|(known, _)| known == name).map(|(_, kind)| kind)
    }

    fn ident(&self, id: u64, name: &str) -> Checked {
        match self.variable(name) {
            Some(kind) => Ok(kind.clone()),
            None if TYPES.contains(&name) => Ok(Type::Kind),
            None => Err(undeclared(id, name)),
        }
    }

    fn select(&mut self, id: u64, select: &SelectExpr) -> Checked {
        let qualified = matches!(&select.operand.expr, Expr::Select(inner)
            if inner.field == "protobuf" && matches!(&inner.operand.expr, Expr::Ident(name) if name == "google"));
        if qualified && matches!(select.field.as_str(), "Timestamp" | "Duration") {
            return Ok(Type::Kind);
        }
        let operand = self.check(&select.operand)?;
        let found = field(id, &operand, &select.field)?;
        Ok(if select.test { Type::Bool } else { found })
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Checked {
        let name = call.func_name.as_str();
        if let Some(target) = &call.target
            && let Expr::Ident(space) = &target.expr
            && NAMESPACES.contains(&space.as_str())
            && self.variable(space).is_none()
        {
            let args = self.all(&call.args)?;
            return function(id, &format!("{space}.{name}"), &args, false);
        }
        let mut args: Vec<Type> = Vec::new();
        if let Some(target) = &call.target {
            args.push(self.check(target)?);
        }
        args.extend(self.all(&call.args)?);
        match operator(id, name, &args, &call.args) {
            Some(result) => result,
            None => function(id, name, &args, call.target.is_some()),
        }
    }

    fn all(&mut self, exprs: &[IdedExpr]) -> Result<Vec<Type>, TypeError> {
        exprs.iter().map(|expr| self.check(expr)).collect()
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Checked {
        let range = self.check(&comprehension.iter_range)?;
        let (item, second, count) = match &range {
            Type::List(items, count) => (items.as_ref().clone(), Type::Int, *count),
            Type::Map(keys, values, count) => (keys.as_ref().clone(), values.as_ref().clone(), *count),
            Type::Object(fields) => (Type::String, Type::Dyn, u64::try_from(fields.len()).ok()),
            Type::Dyn => (Type::Dyn, Type::Dyn, None),
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                return Err(wrong(comprehension.iter_range.id, message));
            }
        };
        let accumulator = self.check(&comprehension.accu_init)?;
        let depth = self.scope.len();
        // With two variables the first is the index of a list, the key of a map.
        match &comprehension.iter_var2 {
            Some(name) if matches!(range, Type::List(..)) => {
                self.scope.push((comprehension.iter_var.clone(), Type::Int));
                self.scope.push((name.clone(), item));
            }
            Some(name) => {
                self.scope.push((comprehension.iter_var.clone(), item));
                self.scope.push((name.clone(), second));
            }
            None => self.scope.push((comprehension.iter_var.clone(), item)),
        }
        self.scope.push((comprehension.accu_var.clone(), accumulator.clone()));
        let outside = self.turns;
        self.turns = outside.saturating_mul(count.unwrap_or(UNBOUNDED).max(1));
        self.most_turns = self.most_turns.max(self.turns);
        self.check(&comprehension.loop_cond)?;
        let step = self.check(&comprehension.loop_step)?;
        self.turns = outside;
        let settled = match (&accumulator, step) {
            (Type::List(..), Type::List(items, _)) => Type::List(items, count),
            (_, step) => step,
        };
        if let Some((_, kind)) = self.scope.last_mut() {
            *kind = settled;
        }
        // The result is outside of the loop: only the accumulator is in scope.
        let result = self.check(&comprehension.result);
        self.scope.truncate(depth);
        result
    }
}

fn undeclared(id: u64, name: &str) -> TypeError {
    wrong(id, format!("undeclared reference to '{name}' (in container '')"))
}

fn field(id: u64, operand: &Type, name: &str) -> Checked {
    match operand {
        Type::Dyn => Ok(Type::Dyn),
        Type::Object(fields) => fields.get(name).cloned().ok_or_else(|| wrong(id, format!("undefined field '{name}'"))),
        Type::Map(_, values, _) => Ok(values.as_ref().clone()),
        Type::Optional(inner) => Ok(Type::Optional(Arc::new(field(id, inner, name)?))),
        other => Err(wrong(id, format!("type '{other}' does not support field selection"))),
    }
}

/// The result of an operator; None when the name is not one.
fn operator(id: u64, name: &str, args: &[Type], written: &[IdedExpr]) -> Option<Checked> {
    let fail = || Some(Err(mismatch(id, name, args, false)));
    let bools = |args: &[Type]| args.iter().all(|arg| arg.fits(&Type::Bool));
    let [first, rest @ ..] = args else { return None };
    let second = rest.first();
    Some(Ok(match (name, second) {
        (operators::LOGICAL_AND | operators::LOGICAL_OR, Some(_)) | (operators::LOGICAL_NOT, None) if bools(args) => {
            Type::Bool
        }
        (operators::NOT_STRICTLY_FALSE, None) => Type::Bool,
        (operators::EQUALS | operators::NOT_EQUALS, Some(second))
            if first.fits(second) || *first == Type::Null || *second == Type::Null =>
        {
            Type::Bool
        }
        (operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS, Some(second)) => {
            if !ordered(first, second) {
                return fail();
            }
            Type::Bool
        }
        (operators::IN, Some(second)) if contains(second, first) => Type::Bool,
        (operators::CONDITIONAL, Some(second)) => match rest {
            [_, third] if first.fits(&Type::Bool) && second.fits(third) => {
                if *second == Type::Dyn {
                    third.clone()
                } else {
                    second.clone()
                }
            }
            _ => return fail(),
        },
        (
            operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO,
            Some(second),
        ) => match arithmetic(name, first, second) {
            Some(result) => result,
            None => return fail(),
        },
        (operators::NEGATE, None) if matches!(first, Type::Dyn | Type::Int | Type::Double) => first.clone(),
        (operators::INDEX, Some(second)) => match index(first, second) {
            Some(result) => result,
            None => return fail(),
        },
        (operators::OPT_INDEX, Some(second)) => match index(first, second) {
            Some(result) => Type::Optional(Arc::new(result)),
            None => return fail(),
        },
        (operators::OPT_SELECT, Some(_)) => return Some(optional_field(id, first, written)),
        (
            operators::IN
            | operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::EQUALS
            | operators::NOT_EQUALS
            | operators::NEGATE,
            _,
        ) => return fail(),
        _ => return None,
    }))
}

/// Whether `<` and its like compare the two.
fn ordered(first: &Type, second: &Type) -> bool {
    use Type::{Bool, Bytes, Duration, Dyn, String, Timestamp};
    let one = |kind: &Type| kind.numeric() || matches!(kind, Dyn | String | Bool | Bytes | Duration | Timestamp);
    one(first) && one(second) && (first.fits(second) || (first.numeric() && second.numeric()))
}

/// Whether `in` can look for an item in a container.
fn contains(container: &Type, item: &Type) -> bool {
    match container {
        Type::List(items, _) => item.fits(items),
        Type::Map(keys, ..) => item.fits(keys),
        Type::Object(_) => item.fits(&Type::String),
        other => *other == Type::Dyn,
    }
}

/// `a.?b`: the name of the field is the second argument.
fn optional_field(id: u64, operand: &Type, written: &[IdedExpr]) -> Checked {
    let name = match written.get(1).map(|name| &name.expr) {
        Some(Expr::Literal(LiteralValue::String(name))) => name.inner().to_owned(),
        _ => return Ok(Type::Dyn),
    };
    Ok(match field(id, operand, &name)? {
        optional @ Type::Optional(_) => optional,
        found => Type::Optional(Arc::new(found)),
    })
}

fn arithmetic(name: &str, first: &Type, second: &Type) -> Option<Type> {
    use Type::{Bytes, Duration, Dyn, List, String, Timestamp};
    let (add, subtract) = (name == operators::ADD, name == operators::SUBSTRACT);
    Some(match (first, second) {
        (Dyn, Dyn) => Dyn,
        (Dyn, other) | (other, Dyn) => match other {
            List(..) => Type::list(Dyn),
            other => other.clone(),
        },
        (a, b) if a == b && a.numeric() => {
            if name == operators::MODULO && *a == Type::Double {
                return None;
            }
            a.clone()
        }
        (String, String) if add => String,
        (Bytes, Bytes) if add => Bytes,
        (List(a, _), List(b, _)) if add && a.fits(b) => {
            Type::List(if **a == Dyn { b.clone() } else { a.clone() }, None)
        }
        (Duration, Duration) if add || subtract => Duration,
        (Timestamp, Duration) if add || subtract => Timestamp,
        (Duration, Timestamp) if add => Timestamp,
        (Timestamp, Timestamp) if subtract => Duration,
        _ => return None,
    })
}

fn index(first: &Type, second: &Type) -> Option<Type> {
    match first {
        Type::Dyn => Some(Type::Dyn),
        Type::List(items, _) if second.fits(&Type::Int) => Some(items.as_ref().clone()),
        Type::Map(keys, values, _) if second.fits(keys) => Some(values.as_ref().clone()),
        Type::Object(_) if second.fits(&Type::String) => Some(Type::Dyn),
        Type::Optional(inner) => Some(Type::Optional(Arc::new(index(inner, second)?))),
        _ => None,
    }
}

fn function(id: u64, name: &str, args: &[Type], member: bool) -> Checked {
    // Methods of optionals keep the type inside.
    if let (true, Some(Type::Optional(inner))) = (member, args.first()) {
        match (name, args.len()) {
            ("hasValue", 1) => return Ok(Type::Bool),
            ("value", 1) => return Ok(inner.as_ref().clone()),
            ("orValue", 2) if args[1].fits(inner) => return Ok(inner.as_ref().clone()),
            ("or", 2) if args[1].fits(&args[0]) => return Ok(args[0].clone()),
            _ => {}
        }
    }
    if is_variadic(name) {
        return Ok(match args {
            [Type::List(items, _)] => items.as_ref().clone(),
            [first, rest @ ..] if rest.iter().all(|other| other == first) => first.clone(),
            _ => Type::Dyn,
        });
    }
    match (name, args) {
        ("optional.of" | "optional.ofNonZeroValue", [inner]) => return Ok(Type::Optional(Arc::new(inner.clone()))),
        ("sum" | "min" | "max", [Type::List(items, _)]) if member => return Ok(items.as_ref().clone()),
        ("slice" | "sort" | "distinct" | "reverse", [list @ Type::List(..), ..]) if member => return Ok(list.clone()),
        ("hasValue" | "value" | "orValue" | "or", [Type::Dyn, ..]) if member => return Ok(Type::Dyn),
        _ => {}
    }
    let Some(known) = signatures(name) else { return Err(undeclared(id, name)) };
    let fitting = known.iter().find(|signature| {
        signature.member == member
            && signature.args.len() == args.len()
            && args.iter().zip(&signature.args).all(|(arg, wanted)| arg.fits(wanted))
    });
    fitting.map(|signature| signature.result.clone()).ok_or_else(|| mismatch(id, name, args, member))
}

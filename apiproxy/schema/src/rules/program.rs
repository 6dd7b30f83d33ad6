//! A rule, parsed and metered once, run often.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cel::common::ast::{EntryExpr, Expr, IdedExpr, SourceInfo};
use cel::{Context, ExecutionError, Value};

use super::functions::{OUT_OF_BUDGET, env};
use super::meter::meter;

/// Bytes of an expression.
const MAX_SOURCE: usize = 16 << 10;
/// Depth of a syntax tree, comprehensions included.
const MAX_DEPTH: usize = 250;
/// Programs kept; beyond that the cache starts anew.
const MAX_CACHED: usize = 4096;

/// A parsed expression, before metering.
pub(super) struct Parsed {
    pub(super) expr: IdedExpr,
    pub(super) info: SourceInfo,
}

/// Why evaluation gave no value.
#[derive(Debug, PartialEq)]
pub(super) enum Failure {
    /// The budget is spent.
    Budget,
    /// An error of the expression, in Go's words.
    Error(String),
}

/// A metered expression.
pub(super) struct Program {
    expr: IdedExpr,
    pub(super) uses_old: bool,
}

type Cache = HashMap<String, Result<Arc<Program>, String>>;
static CACHE: LazyLock<Mutex<Cache>> = LazyLock::new(Mutex::default);

/// Parses an expression. Must run on a large stack.
pub(super) fn parse(source: &str) -> Result<Parsed, String> {
    if source.len() > MAX_SOURCE {
        return Err(format!("expression code point size exceeds limit: size: {}, limit {MAX_SOURCE}", source.len()));
    }
    let env = env().ok_or("no environment")?;
    let parsed = catch_unwind(AssertUnwindSafe(|| env.parser().parse_with_source_info(source)));
    let parsed = parsed.map_err(|_| "parser failed".to_owned())?;
    let (expr, info) = parsed.map_err(|errors| {
        let first = errors.errors.first();
        let (line, column) = first.map_or((1, 1), |error| error.pos);
        let message = first.map_or_else(String::new, |error| error.msg.clone());
        located(source, line.max(1), column.max(1), &message)
    })?;
    if depth(&expr) > MAX_DEPTH {
        return Err(format!("expression recursion limit exceeded: {MAX_DEPTH}"));
    }
    Ok(Parsed { expr, info })
}

/// An error at a place of the source, drawn as cel-go draws it; line and column count from 1.
pub(super) fn located(source: &str, line: isize, column: isize, message: &str) -> String {
    let text = source.lines().nth(usize::try_from(line - 1).unwrap_or(0)).unwrap_or_default();
    let dots = ".".repeat(usize::try_from(column - 1).unwrap_or(0));
    format!("ERROR: <input>:{line}:{column}: {message}\n | {text}\n | {dots}^")
}

/// The children of a node.
pub(super) fn children(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(c) => {
            vec![&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_children(&entry.expr)).collect(),
        Expr::Struct(literal) => literal.entries.iter().flat_map(|entry| entry_children(&entry.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn entry_children(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}

fn depth(expr: &IdedExpr) -> usize {
    let mut deepest = 0;
    let mut open = vec![(expr, 1)];
    while let Some((expr, depth)) = open.pop() {
        deepest = deepest.max(depth);
        open.extend(children(expr).into_iter().map(|child| (child, depth + 1)));
    }
    deepest
}

/// Whether an expression names a variable.
pub(super) fn names(expr: &IdedExpr, variable: &str) -> bool {
    matches!(&expr.expr, Expr::Ident(name) if name == variable)
        || children(expr).into_iter().any(|child| names(child, variable))
}

/// The program of an expression, from the cache or made now. Must run on a large stack.
pub(super) fn program(source: &str) -> Result<Arc<Program>, String> {
    if let Some(known) = CACHE.lock().unwrap_or_else(PoisonError::into_inner).get(source) {
        return known.clone();
    }
    let made = parse(source).map(|parsed| {
        let mut expr = parsed.expr;
        let uses_old = names(&expr, "oldSelf");
        meter(&mut expr);
        Arc::new(Program { expr, uses_old })
    });
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if cache.len() >= MAX_CACHED {
        cache.clear();
    }
    cache.insert(source.to_owned(), made.clone());
    made
}

impl Program {
    /// Evaluates the expression. Must run on a large stack.
    pub(super) fn run(&self, context: &Context<'_, '_>) -> Result<Value, Failure> {
        let outcome = catch_unwind(AssertUnwindSafe(|| Value::resolve(&self.expr, context)));
        match outcome {
            Err(_) => Err(Failure::Error("internal error".to_owned())),
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(failure(error)),
        }
    }
}

fn failure(error: ExecutionError) -> Failure {
    Failure::Error(match error {
        ExecutionError::FunctionError { message, .. } if message == OUT_OF_BUDGET => return Failure::Budget,
        ExecutionError::FunctionError { message, .. } => message,
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::IndexOutOfBounds(Value::Int(index)) => format!("index out of bounds: {index}"),
        ExecutionError::NoSuchOverload(_)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnexpectedType { .. } => "no such overload".to_owned(),
        ExecutionError::UndeclaredReference(name) => format!("no such attribute(s): {name}"),
        other => other.to_string(),
    })
}

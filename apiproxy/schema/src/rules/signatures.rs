//! Functions of expressions and what they take and give.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::types::Type;

/// One way to call a function.
pub(super) struct Signature {
    /// Whether it is called on its first argument.
    pub(super) member: bool,
    pub(super) args: Vec<Type>,
    pub(super) result: Type,
}

/// `receiver.name(args): result`; without a receiver `name(args): result`.
const SIGNATURES: &[&str] = &[
    "size(string): int",
    "size(bytes): int",
    "size(list): int",
    "size(map): int",
    "string.size(): int",
    "bytes.size(): int",
    "list.size(): int",
    "map.size(): int",
    "int(dyn): int",
    "uint(dyn): uint",
    "double(dyn): double",
    "string(dyn): string",
    "bytes(dyn): bytes",
    "bool(dyn): bool",
    "dyn(dyn): dyn",
    "type(dyn): type",
    "duration(dyn): duration",
    "timestamp(dyn): timestamp",
    "string.contains(string): bool",
    "string.startsWith(string): bool",
    "string.endsWith(string): bool",
    "string.matches(string): bool",
    "matches(string, string): bool",
    "string.charAt(int): string",
    "string.indexOf(string): int",
    "string.indexOf(string, int): int",
    "string.lastIndexOf(string): int",
    "string.lastIndexOf(string, int): int",
    "string.lowerAscii(): string",
    "string.upperAscii(): string",
    "string.replace(string, string): string",
    "string.replace(string, string, int): string",
    "string.split(string): list(string)",
    "string.split(string, int): list(string)",
    "string.substring(int): string",
    "string.substring(int, int): string",
    "string.trim(): string",
    "string.reverse(): string",
    "string.format(list): string",
    "list.join(): string",
    "list.join(string): string",
    "string.find(string): string",
    "string.findAll(string): list(string)",
    "string.findAll(string, int): list(string)",
    "list.isSorted(): bool",
    "list.sum(): dyn",
    "list.min(): dyn",
    "list.max(): dyn",
    "list.indexOf(dyn): int",
    "list.lastIndexOf(dyn): int",
    "list.slice(int, int): list",
    "list.flatten(): list",
    "list.flatten(int): list",
    "list.sort(): list",
    "list.distinct(): list",
    "list.reverse(): list",
    "lists.range(int): list(int)",
    "timestamp.getFullYear(): int",
    "timestamp.getMonth(): int",
    "timestamp.getDayOfMonth(): int",
    "timestamp.getDayOfYear(): int",
    "timestamp.getDayOfWeek(): int",
    "timestamp.getDate(): int",
    "timestamp.getHours(): int",
    "timestamp.getMinutes(): int",
    "timestamp.getSeconds(): int",
    "timestamp.getMilliseconds(): int",
    "timestamp.getFullYear(string): int",
    "timestamp.getMonth(string): int",
    "timestamp.getDayOfMonth(string): int",
    "timestamp.getDayOfYear(string): int",
    "timestamp.getDayOfWeek(string): int",
    "timestamp.getDate(string): int",
    "timestamp.getHours(string): int",
    "timestamp.getMinutes(string): int",
    "timestamp.getSeconds(string): int",
    "duration.getHours(): int",
    "duration.getMinutes(): int",
    "duration.getSeconds(): int",
    "duration.getMilliseconds(): int",
    "base64.encode(bytes): string",
    "base64.decode(string): bytes",
    "math.abs(dyn): dyn",
    "math.ceil(double): double",
    "math.floor(double): double",
    "math.round(double): double",
    "math.trunc(double): double",
    "math.sign(dyn): dyn",
    "math.isNaN(double): bool",
    "math.isInf(double): bool",
    "math.isFinite(double): bool",
    "math.sqrt(dyn): double",
    "math.bitAnd(dyn, dyn): dyn",
    "math.bitOr(dyn, dyn): dyn",
    "math.bitXor(dyn, dyn): dyn",
    "math.bitNot(dyn): dyn",
    "math.bitShiftLeft(dyn, int): dyn",
    "math.bitShiftRight(dyn, int): dyn",
    "optional.of(dyn): optional",
    "optional.ofNonZeroValue(dyn): optional",
    "optional.none(): optional",
    "optional.hasValue(): bool",
];

/// Functions that take any number of arguments.
const VARIADIC: [&str; 4] = ["math.greatest", "math.least", "math.@max", "math.@min"];

static TABLE: LazyLock<HashMap<&str, Vec<Signature>>> = LazyLock::new(|| {
    let mut table: HashMap<&str, Vec<Signature>> = HashMap::new();
    for text in SIGNATURES {
        let Some((name, signature)) = parse(text) else { continue };
        table.entry(name).or_default().push(signature);
    }
    table
});

/// Namespaces whose functions are called like members.
pub(super) const NAMESPACES: [&str; 4] = ["math", "base64", "optional", "lists"];

/// The ways to call a function; None when there is no such function.
pub(super) fn signatures(name: &str) -> Option<&'static [Signature]> {
    TABLE.get(name).map(Vec::as_slice)
}

/// Whether a function takes any number of arguments of any type.
pub(super) fn is_variadic(name: &str) -> bool {
    VARIADIC.contains(&name)
}

fn named(name: &str) -> Type {
    match name.trim() {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "type" => Type::Kind,
        "list" => Type::list(Type::Dyn),
        "list(string)" => Type::list(Type::String),
        "list(int)" => Type::list(Type::Int),
        "map" => Type::Map(Arc::new(Type::Dyn), Arc::new(Type::Dyn), None),
        "optional" => Type::Optional(Arc::new(Type::Dyn)),
        _ => Type::Dyn,
    }
}

fn parse(text: &'static str) -> Option<(&'static str, Signature)> {
    let (call, result) = text.split_once(": ")?;
    let (head, args) = call.strip_suffix(')')?.split_once('(')?;
    let (receiver, name) = match head.split_once('.') {
        Some((receiver, _)) if NAMESPACES.contains(&receiver) && !head.ends_with("hasValue") => (None, head),
        Some((receiver, name)) => (Some(receiver), name),
        None => (None, head),
    };
    let args = args.split(", ").filter(|arg| !arg.is_empty()).map(named);
    let args = receiver.map(named).into_iter().chain(args).collect();
    Some((name, Signature { member: receiver.is_some(), args, result: named(result) }))
}

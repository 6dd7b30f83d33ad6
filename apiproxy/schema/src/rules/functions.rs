//! The environment rules run in: the standard library, its extensions, some of Kubernetes' functions, and the functions
//! that charge the budget.

#![allow(clippy::needless_pass_by_value)] // The library fixes the signature of its functions.

use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use cel::common::types::{CelBool, CelInt, CelList, CelString, DYN_TYPE, INT_TYPE, LIST_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError, extensions};

use crate::validate::compiled;

thread_local! {
    static BUDGET: Cell<u64> = const { Cell::new(0) };
}

/// What upstream calls running out of the budget of one rule.
pub(super) const OUT_OF_BUDGET: &str = "operation cancelled: actual cost limit exceeded";

/// Cost of one turn of a comprehension; upstream counts every operation in it.
const TURN: u64 = 4;
/// Bytes or items that cost one.
const SIZE_UNIT: u64 = 16;

/// Sets the budget of this thread.
pub(super) fn grant(budget: u64) {
    BUDGET.set(budget);
}

/// What is left of the budget of this thread.
pub(super) fn remaining() -> u64 {
    BUDGET.get()
}

/// Pays from the budget.
pub(super) fn charge(cost: u64) -> Result<(), ExecutionError> {
    match BUDGET.get().checked_sub(cost) {
        Some(left) => {
            BUDGET.set(left);
            Ok(())
        }
        None => {
            BUDGET.set(0);
            Err(ExecutionError::function_error("budget", OUT_OF_BUDGET))
        }
    }
}

type Args<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

fn wrong(what: &str) -> ExecutionError {
    ExecutionError::function_error(what, "no such overload")
}

fn text<'a>(args: &'a [CowVal<'_, '_>], at: usize) -> Result<&'a str, ExecutionError> {
    args.get(at).and_then(|arg| arg.downcast_ref::<CelString>()).map(CelString::inner).ok_or_else(|| wrong("string"))
}

fn size(value: &dyn Val) -> u64 {
    value.as_sizer().map_or(0, |sizer| u64::try_from(*sizer.size().inner()).unwrap_or(0))
}

fn items(value: &dyn Val) -> Result<Vec<Box<dyn Val>>, ExecutionError> {
    charge(size(value))?;
    let list = value.downcast_ref::<CelList>().ok_or_else(|| wrong("list"))?;
    // Copies: what a function of this signature borrows it cannot hand on.
    list.inner().iter().map(|item| cel::Value::try_from(item.as_ref())?.try_into()).collect()
}

fn tick<'b, 'v>(mut args: Args<'b, 'v>) -> Answer<'b, 'v> {
    charge(TURN)?;
    args.pop().ok_or_else(|| wrong("tick"))
}

fn sized<'b, 'v>(mut args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let value = args.pop().ok_or_else(|| wrong("sized"))?;
    charge(1 + size(&*value) / SIZE_UNIT)?;
    Ok(value)
}

fn replace<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (source, from, to) = (text(&args, 0)?, text(&args, 1)?, text(&args, 2)?);
    let limit = match args.get(3).and_then(|arg| arg.downcast_ref::<CelInt>()) {
        Some(limit) => usize::try_from(*limit.inner()).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    let times = if from.is_empty() { source.chars().count() + 1 } else { source.matches(from).count() }.min(limit);
    let grown = (source.len() as u64).saturating_add((times as u64).saturating_mul(to.len() as u64));
    charge(1 + grown / SIZE_UNIT)?;
    Ok(CowVal::owned(CelString::from(source.replacen(from, to, limit))))
}

fn join<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let separator = if args.len() > 1 { text(&args, 1)? } else { "" };
    let list = args.first().and_then(|arg| arg.downcast_ref::<CelList>()).ok_or_else(|| wrong("join"))?;
    charge(1 + (list.inner().len() as u64).saturating_mul(separator.len() as u64 + 1) / SIZE_UNIT)?;
    let mut joined = String::new();
    for (index, item) in list.inner().iter().enumerate() {
        let item = item.downcast_ref::<CelString>().ok_or_else(|| wrong("join"))?;
        if index > 0 {
            joined.push_str(separator);
        }
        charge(item.inner().len() as u64 / SIZE_UNIT)?;
        joined.push_str(item.inner());
    }
    Ok(CowVal::owned(CelString::from(joined)))
}

fn regex_error(why: String) -> ExecutionError {
    ExecutionError::function_error("matches", why)
}

fn matches<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (source, pattern) = (text(&args, 0)?, text(&args, 1)?);
    charge(1 + (source.len() as u64 + 1) * (1 + pattern.len() as u64 / SIZE_UNIT) / SIZE_UNIT)?;
    Ok(CowVal::owned(CelBool::from(compiled(pattern).map_err(regex_error)?.is_match(source))))
}

fn find<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (source, pattern) = (text(&args, 0)?, text(&args, 1)?);
    charge(1 + (source.len() + pattern.len()) as u64 / SIZE_UNIT)?;
    let regex = compiled(pattern).map_err(regex_error)?;
    Ok(CowVal::owned(CelString::from(regex.find(source).map_or("", |found| found.as_str()).to_owned())))
}

fn find_all<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (source, pattern) = (text(&args, 0)?, text(&args, 1)?);
    charge(1 + (source.len() + pattern.len()) as u64)?;
    let limit = args.get(2).and_then(|arg| arg.downcast_ref::<CelInt>()).map_or(-1, |limit| *limit.inner());
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let regex = compiled(pattern).map_err(regex_error)?;
    let found: Vec<Box<dyn Val + 'v>> = regex
        .find_iter(source)
        .take(limit)
        .map(|found| Box::new(CelString::from(found.as_str().to_owned())) as Box<dyn Val + 'v>)
        .collect();
    Ok(CowVal::owned(CelList::from(found)))
}

fn compare(a: &dyn Val, b: &dyn Val) -> Result<Ordering, ExecutionError> {
    a.as_comparer().ok_or_else(|| wrong("compare"))?.compare(b)
}

fn is_sorted<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let list = items(&**args.first().ok_or_else(|| wrong("isSorted"))?)?;
    for pair in list.windows(2) {
        if compare(pair[0].as_ref(), pair[1].as_ref())? == Ordering::Greater {
            return Ok(CowVal::owned(CelBool::from(false)));
        }
    }
    Ok(CowVal::owned(CelBool::from(true)))
}

fn sum<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let mut list = items(&**args.first().ok_or_else(|| wrong("sum"))?)?.into_iter();
    let Some(mut total) = list.next() else { return Ok(CowVal::owned(CelInt::from(0))) };
    for item in list {
        let adder = total.as_adder().ok_or_else(|| wrong("sum"))?;
        let next = cel::Value::try_from(adder.add(item.as_ref())?.as_ref())?;
        total = Box::<dyn Val>::try_from(next)?;
    }
    Ok(CowVal::Owned(total))
}

fn extreme<'b, 'v>(args: &[CowVal<'b, 'v>], wanted: Ordering, name: &str) -> Answer<'b, 'v> {
    let list = items(&**args.first().ok_or_else(|| wrong(name))?)?.into_iter();
    let mut best: Option<Box<dyn Val>> = None;
    for item in list {
        let better = match &best {
            None => true,
            Some(best) => compare(item.as_ref(), best.as_ref())? == wanted,
        };
        if better {
            best = Some(item);
        }
    }
    best.map(CowVal::Owned).ok_or_else(|| ExecutionError::function_error(name, format!("{name} called on empty list")))
}

fn min<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    extreme(&args, Ordering::Less, "min")
}

fn max<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    extreme(&args, Ordering::Greater, "max")
}

fn place<'b, 'v>(args: &[CowVal<'b, 'v>], last: bool) -> Answer<'b, 'v> {
    let list = items(&**args.first().ok_or_else(|| wrong("indexOf"))?)?;
    let wanted = args.get(1).ok_or_else(|| wrong("indexOf"))?;
    let found = if last {
        list.iter().rposition(|item| item.equals(&**wanted))
    } else {
        list.iter().position(|item| item.equals(&**wanted))
    };
    Ok(CowVal::owned(CelInt::from(found.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1))))
}

fn index_of<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    place(&args, false)
}

fn last_index_of<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    place(&args, true)
}

static ENV: LazyLock<Option<Arc<Env>>> = LazyLock::new(|| environment().ok().map(Arc::new));

/// The shared environment. None never happens: the test of this module builds it.
pub(super) fn env() -> Option<Arc<Env>> {
    ENV.clone()
}

fn environment() -> Result<Env, cel::DeclarationError> {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings)?;
    env.add_extension(extensions::math)?;
    env.add_extension(extensions::lists)?;
    env.add_extension(extensions::encoders)?;
    env.add_overload(super::meter::TICK, "tick", vec![DYN_TYPE], tick)?;
    env.add_overload(super::meter::SIZED, "sized", vec![DYN_TYPE], sized)?;
    let string = || STRING_TYPE;
    env.add_member_overload("__replace", "replace", string(), vec![STRING_TYPE, STRING_TYPE], replace)?;
    env.add_member_overload("__replace", "replace_n", string(), vec![STRING_TYPE, STRING_TYPE, INT_TYPE], replace)?;
    env.add_member_overload("__join", "join", LIST_TYPE, vec![], join)?;
    env.add_member_overload("__join", "join_by", LIST_TYPE, vec![STRING_TYPE], join)?;
    env.add_member_overload("__matches", "matches", string(), vec![STRING_TYPE], matches)?;
    env.add_overload("__matches", "matches_of", vec![STRING_TYPE, STRING_TYPE], matches)?;
    env.add_member_overload("find", "find", string(), vec![STRING_TYPE], find)?;
    env.add_member_overload("findAll", "find_all", string(), vec![STRING_TYPE], find_all)?;
    env.add_member_overload("findAll", "find_all_n", string(), vec![STRING_TYPE, INT_TYPE], find_all)?;
    env.add_member_overload("isSorted", "is_sorted", LIST_TYPE, vec![], is_sorted)?;
    env.add_member_overload("sum", "sum", LIST_TYPE, vec![], sum)?;
    env.add_member_overload("min", "list_min", LIST_TYPE, vec![], min)?;
    env.add_member_overload("max", "list_max", LIST_TYPE, vec![], max)?;
    env.add_member_overload("indexOf", "list_index_of", LIST_TYPE, vec![DYN_TYPE], index_of)?;
    env.add_member_overload("lastIndexOf", "list_last_index_of", LIST_TYPE, vec![DYN_TYPE], last_index_of)?;
    Ok(env)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_environment_can_be_built() {
        super::environment().unwrap();
    }
}

//! Rewrites a syntax tree so that running it pays from the budget: every turn of a comprehension, every value that can
//! grow, and the functions whose result is larger than their arguments.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, operators};

/// Charges for one turn and hands its argument back.
pub(super) const TICK: &str = "__tick";
/// Charges for the size of its argument and hands it back.
pub(super) const SIZED: &str = "__sized";

/// Functions of the library that have a metered twin.
const METERED: [&str; 3] = ["replace", "join", "matches"];
/// Functions whose result is charged for.
const GROWING: [&str; 5] = ["format", "flatten", "split", "range", "lists.range"];

/// Rewrites a tree in place.
pub(super) fn meter(expr: &mut IdedExpr) {
    match &mut expr.expr {
        Expr::Call(call) => {
            if let Some(target) = &mut call.target {
                meter(target);
            }
            call.args.iter_mut().for_each(meter);
            let grows = call.func_name == operators::ADD || GROWING.contains(&call.func_name.as_str());
            if METERED.contains(&call.func_name.as_str()) {
                call.func_name = format!("__{}", call.func_name);
            }
            if grows {
                wrap(expr, SIZED);
            }
        }
        Expr::Comprehension(comprehension) => meter_comprehension(comprehension),
        Expr::List(list) => list.elements.iter_mut().for_each(meter),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                match &mut entry.expr {
                    EntryExpr::MapEntry(entry) => {
                        meter(&mut entry.key);
                        meter(&mut entry.value);
                    }
                    EntryExpr::StructField(field) => meter(&mut field.value),
                }
            }
        }
        Expr::Select(select) => meter(&mut select.operand),
        Expr::Struct(literal) => {
            for entry in &mut literal.entries {
                match &mut entry.expr {
                    EntryExpr::StructField(field) => meter(&mut field.value),
                    EntryExpr::MapEntry(entry) => meter(&mut entry.value),
                }
            }
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn wrap(expr: &mut IdedExpr, function: &str) {
    let id = expr.id;
    let inner = std::mem::take(expr);
    let call = CallExpr { func_name: function.to_owned(), target: None, args: vec![inner] };
    *expr = IdedExpr { id, expr: Expr::Call(call) };
}

fn meter_comprehension(comprehension: &mut ComprehensionExpr) {
    meter(&mut comprehension.iter_range);
    meter(&mut comprehension.accu_init);
    meter(&mut comprehension.result);
    let accumulator = comprehension.accu_var.clone();
    // The evaluator appends in place when the step has this shape, which must be kept: without it `map` is quadratic.
    if let Some((guard, elements)) = append_step(&mut comprehension.loop_step, &accumulator) {
        if let Some(guard) = guard {
            meter(guard);
            wrap(guard, TICK);
        }
        for element in elements {
            meter(element);
            wrap(element, TICK);
        }
        return;
    }
    meter(&mut comprehension.loop_step);
    meter(&mut comprehension.loop_cond);
    wrap(&mut comprehension.loop_cond, TICK);
}

fn is_name(expr: &IdedExpr, name: &str) -> bool {
    matches!(&expr.expr, Expr::Ident(ident) if ident == name)
}

fn appended<'e>(step: &'e mut IdedExpr, accumulator: &str) -> Option<&'e mut Vec<IdedExpr>> {
    let Expr::Call(call) = &mut step.expr else { return None };
    let added = call.func_name == operators::ADD && call.target.is_none();
    match &mut call.args[..] {
        [left, IdedExpr { expr: Expr::List(list), .. }] if added && is_name(left, accumulator) => {
            Some(&mut list.elements)
        }
        _ => None,
    }
}

type Append<'e> = (Option<&'e mut IdedExpr>, &'e mut Vec<IdedExpr>);

/// `accu + [e]`, or `guard ? accu + [e] : accu`.
fn append_step<'e>(step: &'e mut IdedExpr, accumulator: &str) -> Option<Append<'e>> {
    let guarded = matches!(&step.expr, Expr::Call(call) if call.func_name == operators::CONDITIONAL);
    if !guarded {
        return Some((None, appended(step, accumulator)?));
    }
    let Expr::Call(call) = &mut step.expr else { return None };
    match &mut call.args[..] {
        [guard, step, otherwise] if is_name(otherwise, accumulator) => {
            Some((Some(guard), appended(step, accumulator)?))
        }
        _ => None,
    }
}

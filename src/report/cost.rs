//! The cost of a plan, as text and as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Style;
use crate::{
    core::{Address, printable_line},
    definition::sections::SECTION_NAMES,
    engine::cost::{CostLine, Costs, Sums, Tier},
};

/// Columns of an amount.
const AMOUNT_WIDTH: usize = 12;
/// Columns of a name before an amount.
const NAME_WIDTH: usize = 24;
/// Addresses that are named with a reason; the others are counted.
const MAX_ADDRESSES: usize = 3;
/// Quantities of a resource that are named; the others are counted.
const MAX_KEYS: usize = 3;

/// The sum and its change in a sentence: `Cost: 512.33 USD a month (+512.33)`.
pub fn headline(costs: &Costs) -> String {
    let total = costs.total();
    match costs.is_known() {
        true => format!("Cost: {:.2} {} a month ({}){}", total.after, costs.currency, signed(total.change()), lower_bound(costs)),
        false => "Cost: not known".to_owned(),
    }
}

/// The end of the sentence if some parts are missing.
fn lower_bound(costs: &Costs) -> &'static str {
    if costs.not_priced.is_empty() && costs.not_counted.is_empty() { "" } else { ", without the parts below" }
}

/// Renders the cost by section; with `full`, every line with what it follows from.
pub fn render(costs: &Costs, full: bool) -> String {
    let mut out = format!("{}\n", headline(costs));
    for (section, sums) in ordered_sections(costs) {
        let name = section.unwrap_or(UNDECLARED);
        out += &format!("  {name:<NAME_WIDTH$}{:>AMOUNT_WIDTH$.2}{:>AMOUNT_WIDTH$}\n", sums.after, signed(sums.change()));
        if full {
            for line in costs.after.iter().filter(|line| line.section.as_deref() == section) {
                out += &format!("    {}\n", Style::Faint.paint(describe(line)));
            }
        }
    }
    for note in &costs.notes {
        out += &format!("  {} {}\n", Style::Changed.paint("Note:"), printable_line(note));
    }
    out += &missing("Not counted, because `usage:` does not state", not_counted(costs, full).into_iter(), full);
    let priced = costs.not_priced.iter().map(|part| (part.reason.clone(), part.address.to_string()));
    out += &missing("Not priced:", priced, full);
    out
}

/// Heading for resources that no section declares.
const UNDECLARED: &str = "no longer declared";

/// Sections in the order of a plan.
fn ordered_sections(costs: &Costs) -> Vec<(Option<&str>, Sums)> {
    let mut sections: Vec<(Option<&str>, Sums)> = costs.sections().into_iter().collect();
    let place = |section: Option<&str>| match section {
        Some(section) => SECTION_NAMES.iter().position(|name| *name == section).unwrap_or(SECTION_NAMES.len()),
        None => SECTION_NAMES.len() + 1,
    };
    sections.sort_by_key(|(section, _)| place(*section));
    sections
}

/// `nat_gateway.a gateway: 730 hours × 0.048 = 35.04 (SKU …)`.
fn describe(line: &CostLine) -> String {
    let CostLine { address, component, quantity, unit, monthly, price, assumptions, .. } = line;
    let assumptions = if assumptions.is_empty() { String::new() } else { format!("; {}", assumptions.join("; ")) };
    let rate = rate(&price.tiers);
    format!("{address} {component}: {} {unit} × {rate} = {monthly:.2} ({}{assumptions})", number(*quantity), price.sku)
}

/// The unit price, or those of all ranges.
fn rate(tiers: &[Tier]) -> String {
    let price = |tier: &Tier| number(tier.price);
    match tiers {
        [one] => price(one),
        several => {
            format!("[{}]", several.iter().map(|tier| format!("{} from {}", price(tier), number(tier.from))).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A number without needless digits.
fn number(value: f64) -> String {
    let text = format!("{value:.10}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn signed(amount: f64) -> String {
    // Zero has no sign.
    let cents = (amount * 100.0).round() / 100.0;
    if cents == 0.0 { "+0.00".to_owned() } else { format!("{cents:+.2}") }
}

/// Quantities that nobody has stated, those of a resource together: some types have one for each area of the world.
fn not_counted(costs: &Costs, full: bool) -> Vec<(String, String)> {
    let mut keys: BTreeMap<&Address, BTreeSet<&str>> = BTreeMap::new();
    for part in &costs.not_counted {
        keys.entry(&part.address).or_default().insert(part.usage);
    }
    let line = |(address, keys): (&Address, BTreeSet<&str>)| {
        let shown = if full { keys.len() } else { MAX_KEYS };
        let more = match keys.len().saturating_sub(shown) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let list: Vec<String> = keys.iter().take(shown).map(|key| format!("`{key}`")).collect();
        (format!("{}{more} of {}", list.join(", "), address.type_name), address.to_string())
    };
    keys.into_iter().map(line).collect()
}

/// Parts that are not in the sums, by reason.
fn missing(words: &str, parts: impl Iterator<Item = (String, String)>, full: bool) -> String {
    let mut reasons: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (reason, address) in parts {
        reasons.entry(reason).or_default().insert(address);
    }
    if reasons.is_empty() {
        return String::new();
    }
    let mut out = format!("  {words}\n");
    for (reason, addresses) in reasons {
        let shown = if full { addresses.len() } else { MAX_ADDRESSES };
        let more = match addresses.len().saturating_sub(shown) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let list: Vec<&str> = addresses.iter().take(shown).map(String::as_str).collect();
        out += &format!("    {}: {}{more}\n", printable_line(&reason), list.join(", "));
    }
    out
}

/// The sums of each resource, the most expensive one first.
fn by_resource(costs: &Costs) -> Vec<Value> {
    let mut sums: BTreeMap<&Address, Sums> = BTreeMap::new();
    costs.before.iter().for_each(|line| sums.entry(&line.address).or_default().before += line.monthly);
    costs.after.iter().for_each(|line| sums.entry(&line.address).or_default().after += line.monthly);
    let mut sums: Vec<(&Address, Sums)> = sums.into_iter().collect();
    sums.sort_by(|(_, one), (_, other)| other.after.total_cmp(&one.after).then(other.before.total_cmp(&one.before)));
    let resource = |(address, sums): (&Address, Sums)| json!({ "address": address, "before": sums.before, "monthly": sums.after, "change": sums.change() });
    sums.into_iter().map(resource).collect()
}

/// The cost in the format of a plan.
pub fn json(costs: &Costs) -> Value {
    // Unknown is not zero.
    let total = Some(costs.total()).filter(|_| costs.is_known());
    let sections = ordered_sections(costs)
        .into_iter()
        .map(|(section, sums)| json!({ "section": section, "before": sums.before, "monthly": sums.after, "change": sums.change() }));
    json!({
        "currency": costs.currency,
        "hours_per_month": costs.hours,
        "before": total.map(|total| total.before),
        "monthly": total.map(|total| total.after),
        "change": total.map(Sums::change),
        "sections": sections.collect::<Vec<_>>(),
        "resources": by_resource(costs),
        "lines": costs.after,
        "lines_before": costs.before,
        "not_counted": costs.not_counted,
        "not_priced": costs.not_priced,
        "notes": costs.notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_needless_digits() {
        assert_eq!([0.048, 730.0, 0.0000004, 1.0].map(number), ["0.048", "730", "0.0000004", "1"]);
        assert_eq!([0.0, -0.001, 12.5, -3.0].map(signed), ["+0.00", "+0.00", "+12.50", "-3.00"]);
    }
}

//! Rules between the fields of a table.

use regex_lite::Regex;

use super::{
    super::prelude::*, Billing, Capacity, DynamodbTable, DynamodbTableChanges, GlobalIndex, Key, LocalIndex, Projection, Scaling, backup,
    read,
};
use crate::core::{ErrorKind, Pointer};

const AT: super::DynamodbTablePointers = DynamodbTable::POINTERS;

/// Attributes that all indexes of a table can include, without those of `projection: all`:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>.
const MAX_INCLUDED: usize = 100;

pub(super) fn check(table: &DynamodbTable) -> Vec<Problem> {
    let mut problems = Vec::new();
    attributes(table, &mut problems);
    indexes(table, &mut problems);
    capacity(table, &mut problems);
    if let Some(scaling) = &table.scaling {
        check_scaling(table, scaling, &mut problems);
    }
    problems.extend(table.point_in_time.as_ref().and_then(backup::check_time));
    problems
}

/// DynamoDB takes the types of the attributes in keys, and of no others.
fn attributes(table: &DynamodbTable, problems: &mut Vec<Problem>) {
    let known = |name: &String| name.contains("${") || table.attributes.contains_key(name);
    let mut need = |name: &String, at: Pointer| {
        if !known(name) {
            problems.push(Problem::new(at, format!("the attribute `{name}` has no type")).help(format!("add `{name}` to `attributes`")));
        }
    };
    let mut need_key = |key: &Key, at: Pointer| {
        need(&key.partition, at.clone().field(Key::POINTERS.partition));
        if let Some(sort) = &key.sort {
            need(sort, at.field(Key::POINTERS.sort));
        }
    };
    need_key(&table.key, AT.key);
    for (name, index) in &table.global_indexes {
        need_key(&index.key, AT.global_indexes.item(name).field(GlobalIndex::POINTERS.key));
    }
    for (name, index) in &table.local_indexes {
        need(&index.sort, AT.local_indexes.item(name).field(LocalIndex::POINTERS.sort));
    }
    let used = table.key_attributes();
    if used.iter().any(|name| name.contains("${")) {
        return;
    }
    for name in table.attributes.keys().filter(|name| !used.contains(name)) {
        let message =
            format!("`{name}` is not part of the key of the table or of an index: DynamoDB takes the types of no other attributes");
        problems.push(Problem::new(AT.attributes.item(name), message).help(format!("remove `{name}`")));
    }
}

fn indexes(table: &DynamodbTable, problems: &mut Vec<Problem>) {
    let mut wrong = |at: Pointer, message: &str| problems.push(Problem::new(at, message));
    let same = |key: &Key| key.sort.as_ref() == Some(&key.partition);
    if same(&table.key) {
        wrong(AT.key, "the two parts of a key are different attributes");
    }
    if !table.local_indexes.is_empty() && table.key.sort.is_none() {
        wrong(AT.local_indexes, "a table with local indexes has a sort key");
    }
    let is_name = |name: &str| Regex::new("^[A-Za-z0-9_.-]{3,255}$").is_ok_and(|pattern| pattern.is_match(name));
    let local = table.local_indexes.iter().map(|(name, index)| (name, index.projection, &index.include, AT.local_indexes.item(name)));
    let global = table.global_indexes.iter().map(|(name, index)| (name, index.projection, &index.include, AT.global_indexes.item(name)));
    let mut included = 0;
    for (name, projection, include, at) in local.chain(global) {
        if !is_name(name) {
            wrong(at.clone(), "the name of an index has 3 to 255 letters, digits, `_`, `-` and `.`");
        }
        if (projection == Projection::Include) == include.is_empty() {
            wrong(at.field(GlobalIndex::POINTERS.include), "is for `projection: include`, which requires it");
        }
        included += include.len();
    }
    for (name, index) in table.global_indexes.iter().filter(|(name, index)| same(&index.key) || table.local_indexes.contains_key(*name)) {
        let message = if same(&index.key) { "the two parts of a key are different attributes" } else { "a local index has this name" };
        wrong(AT.global_indexes.item(name), message);
    }
    if included > MAX_INCLUDED {
        wrong(AT.global_indexes, "all indexes together include at most 100 attributes by name");
    }
}

fn capacity(table: &DynamodbTable, problems: &mut Vec<Problem>) {
    let mut wrong = |at: Pointer, message: &str| problems.push(Problem::new(at, message));
    let index = GlobalIndex::POINTERS;
    let own = (None, [table.read_capacity, table.write_capacity], [table.max_read_units, table.max_write_units]);
    let of = |(name, index): (_, &GlobalIndex)| {
        (Some(name), [index.read_capacity, index.write_capacity], [index.max_read_units, index.max_write_units])
    };
    for (name, provisioned, limits) in [own].into_iter().chain(table.global_indexes.iter().map(of)) {
        let at = |own: Pointer, of_index: Pointer| match name {
            Some(name) => AT.global_indexes.item(name).field(of_index),
            None => own,
        };
        let fields = [at(AT.read_capacity, index.read_capacity.clone()), at(AT.write_capacity, index.write_capacity.clone())];
        for (field, units) in fields.into_iter().zip(provisioned) {
            match table.billing {
                Billing::Provisioned if units == 0 => wrong(field, "`billing: provisioned` requires a capacity"),
                Billing::OnDemand if units > 0 => wrong(field, "is for `billing: provisioned`"),
                _ => {}
            }
        }
        let fields = [at(AT.max_read_units, index.max_read_units.clone()), at(AT.max_write_units, index.max_write_units.clone())];
        for (field, _) in fields.into_iter().zip(limits).filter(|(_, units)| table.billing == Billing::Provisioned && *units > 0) {
            wrong(field, "is for `billing: on_demand`");
        }
    }
}

fn check_scaling(table: &DynamodbTable, scaling: &Scaling, problems: &mut Vec<Problem>) {
    let mut wrong = |at: Pointer, message: String| problems.push(Problem::new(at, message));
    if table.billing == Billing::OnDemand {
        return wrong(AT.scaling, "a table that is billed by request has no capacity to scale".into());
    }
    let at = Scaling::POINTERS;
    if scaling.read.is_none() && scaling.write.is_none() && scaling.indexes.is_empty() {
        wrong(AT.scaling, "state what to scale: `read`, `write` or `indexes`".into());
    }
    let mut limits = |limits: Option<Capacity>, capacity: i64, at: Pointer| {
        let Some(Capacity { min, max, .. }) = limits else { return };
        if min > max {
            wrong(at, format!("`min` is {min}, and `max` is {max}"));
        } else if !(i64::from(min)..=i64::from(max)).contains(&capacity) {
            wrong(at, format!("the capacity at first, {capacity}, is not between {min} and {max}"));
        }
    };
    let mut unknown = Vec::new();
    limits(scaling.read, table.read_capacity, AT.scaling.field(at.read.clone()));
    limits(scaling.write, table.write_capacity, AT.scaling.field(at.write.clone()));
    for (name, own) in &scaling.indexes {
        let place = AT.scaling.field(at.indexes.clone()).item(name);
        match table.global_indexes.get(name) {
            Some(_) if own.read.is_none() && own.write.is_none() => {
                unknown.push(Problem::new(place, "state what to scale: `read` or `write`"));
            }
            Some(index) => {
                limits(own.read, index.read_capacity, place.clone().field(at.read.clone()));
                limits(own.write, index.write_capacity, place.field(at.write.clone()));
            }
            None => unknown.push(Problem::new(place, format!("there is no global index `{name}`"))),
        }
    }
    problems.extend(unknown);
}

/// Whether the backup exists, and whether DynamoDB changes the attribute with the time of expiry.
pub(super) async fn preflight(table: &DynamodbTable, questions: &Questions<'_, Aws>, changes: DynamodbTableChanges) -> Vec<Problem> {
    let (backup, ttl) = tokio::join!(missing_backup(table, questions, changes), changed_ttl(table, questions, changes));
    backup.into_iter().chain(ttl).collect()
}

async fn missing_backup(table: &DynamodbTable, questions: &Questions<'_, Aws>, changes: DynamodbTableChanges) -> Option<Problem> {
    // A backup is used only at creation, which sets the key.
    let arn = table.snapshot.as_deref().filter(|arn| changes.key && !arn.contains("${"))?;
    let call = |aws: &Aws| {
        let call = aws.dynamodb.describe_backup().backup_arn(arn);
        async move {
            match call.send().await.map_err(Error::from) {
                Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
                answer => answer.map(|_| true),
            }
        }
    };
    let exists: bool = questions.ask("dynamodb:DescribeBackup", arn, call).await?;
    let help = "`aws dynamodb list-backups` lists them";
    (!exists).then(|| Problem::new(AT.snapshot, format!("there is no backup `{arn}` in this region")).help(help))
}

/// DynamoDB accepts another attribute only an hour after the first one was removed.
async fn changed_ttl(table: &DynamodbTable, questions: &Questions<'_, Aws>, changes: DynamodbTableChanges) -> Option<Problem> {
    let wanted = table.ttl_attribute.as_ref().filter(|_| changes.ttl_attribute && !changes.key)?;
    let name = table.name.as_deref().filter(|name| !name.contains("${"))?;
    let call = |aws| async move { read::read_ttl(aws, name).await };
    let live: Option<String> = questions.ask("dynamodb:DescribeTimeToLive", name, call).await?;
    let live = live.filter(|live| live != wanted)?;
    let help = "remove `ttl_attribute`, apply, and set the other attribute an hour later";
    let message = format!("items of the table expire by `{live}`, and DynamoDB does not exchange the attribute at once");
    Some(Problem::new(AT.ttl_attribute, message).help(help))
}

/// Attributes in keys, for tests.
#[cfg(test)]
pub(super) fn pointers(table: &DynamodbTable) -> std::collections::BTreeSet<String> {
    check(table).into_iter().map(|problem| problem.pointer).collect()
}

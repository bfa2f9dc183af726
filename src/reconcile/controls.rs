//! Asks the controls. What an organisation writes stands inside our statement, so it has to be one SELECT, and of what it says
//! nothing may be passed over: a result that no rule expects would let a change pass.
//!
//! What surprises: a control that is built in is asked of what may come out otherwise than the last time, where it says that
//! it can be; one of an organisation's own may look at anything, and is asked of everything.

use super::Error;
use crate::report::Each;
use crate::standard::Control;
use crate::store::{self, Db, Value, sql, written};

/// Takes in what each control says.
pub(super) fn ask(db: &Db, controls: &[&Control], tell: &dyn Fn(&str)) -> Result<(), Error> {
    let everything = super::is_everything(db)?;
    for control in controls {
        tell(&control.id);
        let whole = everything || !control.built_in;
        let sees = match control.each.filter(|_| !whole) {
            Some(Each::Change) => sql!("reconcile/control_of_changes.sql"),
            Some(Each::Deployment) => sql!("reconcile/control_of_deployments.sql"),
            None => "{control}",
        };
        let params = [("control", Value::Text(control.id.clone())), ("whole", Value::Bool(whole))];
        // The parameters first: what an organisation writes has none.
        let statement = written(sql!("reconcile/control.sql"), &params)
            .replace("{control}", sees)
            .replace("{control}", query(db, control)?);
        db.script(&control.id, sql!("reconcile/control_forget.sql"), &params)?;
        db.run(&control.id, &statement, &[]).map_err(|source| unusable(control, source))?;
        if !control.built_in
            && let Some(problem) = text(db, sql!("reconcile/control_strangers.sql"), &about(control))?
        {
            return Err(Error::Select { file: control.file.clone(), problem });
        }
    }
    Ok(())
}

/// Asks the controls of one's own about what was judged the last time, and keeps nothing of it. Where the store has not
/// everything that a control looks at, it is not asked.
///
/// # Errors
/// What a control says cannot be taken in.
pub fn try_over(db: &Db, controls: &[Control]) -> Result<(), Error> {
    for control in controls.iter().filter(|control| !control.built_in) {
        let query = query(db, control)?;
        let statement = sql!("reconcile/control_tried.sql")
            .replace("{control}", query)
            .replace("{strangers}", sql!("reconcile/control_strangers.sql").trim_end().trim_end_matches(';'));
        match text(db, &statement, &about(control)) {
            Ok(None) => {}
            Ok(Some(problem)) => return Err(Error::Select { file: control.file.clone(), problem }),
            Err(Error::Store(store::Error::Query { source })) if source.to_string().contains("Catalog Error") => {}
            Err(Error::Store(source)) => return Err(unusable(control, source)),
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// The one SELECT of a control.
fn query<'c>(db: &Db, control: &'c Control) -> Result<&'c str, Error> {
    let sql = [("sql", Value::Text(control.sql.clone()))];
    if let Some(problem) = text(db, sql!("reconcile/one_select.sql"), &sql)? {
        return Err(Error::Select { file: control.file.clone(), problem });
    }
    Ok(control.sql.trim_end().trim_end_matches(';'))
}

/// What the rules ask of a control: its name, and the kinds of subject for which it has a severity.
fn about(control: &Control) -> [(&'static str, Value); 2] {
    let kinds = serde_json::to_string(&control.severity.keys().collect::<Vec<_>>()).unwrap_or_default();
    [("control", Value::Text(control.id.clone())), ("kinds", Value::Text(kinds))]
}

/// What is wrong with a control; where the machine is at fault the control is not.
fn unusable(control: &Control, source: store::Error) -> Error {
    if source.is_of_the_machine() {
        return source.into();
    }
    Error::Control { file: control.file.clone(), source: Box::new(source) }
}

/// The text that a query gives, if it gives one.
fn text(db: &Db, sql: &str, params: &[(&str, Value)]) -> Result<Option<String>, Error> {
    let (_, rows) = db.rows(sql, params)?;
    Ok(match rows.into_iter().next().and_then(|row| row.into_iter().next()) {
        Some(Value::Text(problem)) => Some(problem),
        _ => None,
    })
}

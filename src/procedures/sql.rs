//! Gates that run a query with the programs `psql` and `mysql` of this machine.

use std::{env, io::Write, path::PathBuf, process::Stdio};

use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::{process::Command, time::timeout};

use super::gates::GateState;
use crate::{
    core::{Error, ErrorKind, LiveResource, Result, printable_line},
    definition::procedures::{Gates, SqlGate},
    engine::{cloud::Cloud, session::Session},
};

/// Longest part of an unexpected result in a message, in characters.
const MAX_SHOWN: usize = 200;

/// A program that runs queries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    Psql,
    Mysql,
}

impl Program {
    fn of_engine(engine: &str) -> Program {
        if engine.contains("postgres") { Program::Psql } else { Program::Mysql }
    }
    fn name(self) -> &'static str {
        match self {
            Program::Psql => "psql",
            Program::Mysql => "mysql",
        }
    }
    fn find(self) -> Option<PathBuf> {
        let name = format!("{}{}", self.name(), env::consts::EXE_SUFFIX);
        env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(&name)).find(|file| file.is_file())
    }
}

/// Checks before the first step that the programs of these gates are installed. The simulated cloud needs none.
///
/// # Errors
/// Fails with `NoProgram` for the first one that is missing.
pub fn check_programs(session: &Session, gates: &Gates) -> Result<()> {
    if matches!(session.cloud(), Cloud::Simulated(_)) {
        return Ok(());
    }
    for gate in &gates.sql {
        let declared = session.stack().resources.get(&gate.database);
        let engine = declared.and_then(|declared| declared.spec.get("engine")?.as_str());
        let program = Program::of_engine(engine.unwrap_or_default());
        if program.find().is_none() {
            return Err(missing(program, gate));
        }
    }
    Ok(())
}

fn missing(program: Program, gate: &SqlGate) -> Error {
    let message = format!("the gate on `{}` needs the program `{}`: install it, or add its folder to PATH", gate.database, program.name());
    Error::new(ErrorKind::Rejected, "NoProgram", message)
}

/// Runs the query of a gate on its database.
pub(super) async fn check(cloud: &Cloud, database: Option<&LiveResource>, gate: &SqlGate) -> GateState {
    if matches!(cloud, Cloud::Simulated(_)) {
        return GateState::NotChecked("the simulated cloud has no databases".to_owned());
    }
    let Some(database) = database else { return GateState::Closed("the database does not exist".to_owned()) };
    match timeout(gate.timeout, run(cloud, database, gate)).await {
        Ok(Ok(result)) if result == gate.expect => GateState::Open,
        Ok(Ok(result)) => {
            let shown: String = printable_line(&result).chars().take(MAX_SHOWN).collect();
            GateState::Closed(format!("the result is `{shown}`, not `{}`", gate.expect))
        }
        Ok(Err(error)) => GateState::Closed(error.message),
        Err(_) => GateState::Closed(format!("no result within {} s", gate.timeout.as_secs())),
    }
}

/// How to reach a database, and to sign in.
struct Login {
    program: Program,
    host: String,
    port: i64,
    database: String,
    user: String,
    password: String,
}

async fn run(cloud: &Cloud, live: &LiveResource, gate: &SqlGate) -> Result<String> {
    let login = login(cloud, live, gate).await?;
    let program = login.program.find().ok_or_else(|| missing(login.program, gate))?;
    let failed = |error: std::io::Error| Error::new(ErrorKind::Rejected, "Query", format!("can't run {}: {error}", login.program.name()));
    let mut command = Command::new(program);
    // It is deleted when this function returns.
    let mut options = NamedTempFile::with_prefix("acme-query-").map_err(failed)?;
    match login.program {
        // The environment of a process can be read by its user only.
        Program::Psql => {
            command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--no-password", "--set=ON_ERROR_STOP=1", "--command"]);
            command.arg(&gate.query).env("PGHOST", &login.host).env("PGPORT", login.port.to_string()).env("PGUSER", &login.user);
            command.env("PGDATABASE", &login.database).env("PGPASSWORD", &login.password).env("PGSSLMODE", "require");
            command.env("PGCONNECT_TIMEOUT", gate.timeout.as_secs().max(2).to_string());
        }
        Program::Mysql => {
            options.write_all(mysql_options(&login).as_bytes()).map_err(failed)?;
            options.flush().map_err(failed)?;
            // It must be the first option.
            command.arg(format!("--defaults-file={}", options.path().display()));
            command.args(["--batch", "--raw", "--skip-column-names", "--execute"]).arg(&gate.query);
            command.arg(&login.database);
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no message").replace(&login.password, "…");
    Err(Error::new(ErrorKind::Rejected, "Query", format!("{}: {}", login.program.name(), printable_line(&said))))
}

/// Options of MySQL and MariaDB: only one of them knows `ssl-mode`.
fn mysql_options(login: &Login) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    format!(
        "[client]\nhost={}\nport={}\nuser={}\npassword={}\nloose-ssl-mode=REQUIRED\n",
        quoted(&login.host),
        login.port,
        quoted(&login.user),
        quoted(&login.password)
    )
}

async fn login(cloud: &Cloud, live: &LiveResource, gate: &SqlGate) -> Result<Login> {
    let text = |name: &str| live.output(name).and_then(|value| value.as_str().map(str::to_owned));
    let lacks = |what: &str| Error::new(ErrorKind::Rejected, "Query", format!("`{}` has no {what}", gate.database));
    let secret = text("master_secret_arn").or_else(|| {
        let set = live.spec.get("password_secret")?;
        set.as_str().or_else(|| set.as_object()?.values().next()?.as_str()).map(str::to_owned)
    });
    let secret = secret.ok_or_else(|| lacks("secret with its password"))?;
    let content = cloud.secret_text(live.region.as_deref(), &secret).await?.ok_or_else(|| lacks("secret with its password"))?;
    let fields: Value = serde_json::from_str(&content).unwrap_or_default();
    let field = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let program = Program::of_engine(&text("engine").unwrap_or_default());
    let user = field("username").or_else(|| text("username"));
    let database = text("database_name").or_else(|| (program == Program::Psql).then(|| "postgres".to_owned()));
    Ok(Login {
        program,
        host: text("endpoint").ok_or_else(|| lacks("endpoint"))?,
        port: live.output("port").and_then(|port| port.as_i64()).ok_or_else(|| lacks("port"))?,
        database: database.unwrap_or_else(|| "mysql".to_owned()),
        user: user.ok_or_else(|| lacks("user name in its secret"))?,
        password: field("password").unwrap_or(content),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_the_password_in_the_options_of_mysql() {
        let login = Login {
            program: Program::Mysql,
            host: "orders.example.com".into(),
            port: 3306,
            database: "orders".into(),
            user: "admin".into(),
            password: r#"a"b\c#d"#.into(),
        };
        assert!(mysql_options(&login).contains(r#"password="a\"b\\c#d""#));
        assert!(Program::of_engine("aurora-postgresql") == Program::Psql && Program::of_engine("mariadb") == Program::Mysql);
    }
}

//! `gateway run`: reads the configuration, then serves until it is told to stop.

use std::{path::PathBuf, time::Duration};

use backend_types::Language;
use gateway_config::{Loaded, Overrides};
use words::Cause;

use super::{Failure, Outcome, check};
use crate::{
    gateway::{self, ChangeError, End, NotStarted, Start},
    hand_over::{self, Inherited},
    installation, messages,
};

/// Blocking work of a stopped gateway may finish within this.
const CONTROL_ENDS_WITHIN: Duration = Duration::from_secs(1);

#[derive(Clone, clap::Args)]
pub(super) struct Run {
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

pub(super) fn run(run: Run, data: Option<PathBuf>, language: Language) -> Outcome {
    let inherited = Inherited::take();
    let overrides = Overrides { data };
    let config_file = installation::config_file(run.config);
    let stamp = gateway::stamp(&config_file);
    let loaded = match gateway_config::load(&config_file, &overrides) {
        Ok(loaded) => loaded,
        Err(findings) => {
            check::print(&findings, language);
            return Err(Failure::Shown);
        }
    };
    let Loaded { config, warnings } = loaded;
    let start = Start {
        config_file,
        overrides,
        config,
        warnings,
        stamp,
        inherited,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build();
    let ran = match runtime {
        Ok(runtime) => {
            let ran = runtime.block_on(gateway::run(start));
            runtime.shutdown_timeout(CONTROL_ENDS_WITHIN);
            ran
        }
        Err(fault) => Err(fault.into()),
    };
    match ran {
        Ok(End::Exit) => Ok(()),
        Ok(End::Again(sockets)) => Err(Failure::Said(words(
            &hand_over::exec(sockets).into(),
            language,
        ))),
        Err(fault) => Err(Failure::Said(words(&fault, language))),
    }
}

/// What the administrator can mend is said in his language.
fn words(fault: &anyhow::Error, language: Language) -> String {
    if let Some(fault) = fault.downcast_ref::<NotStarted>() {
        return fault.words(language);
    }
    if let Some(change) = fault.downcast_ref::<ChangeError>() {
        return change.words(language);
    }
    let cause = Cause::of(fault.as_ref()).words(language);
    messages::text(language, "not-started", &[("cause", &cause)])
}

//! `gateway cert device …`: certificates by which devices show themselves.

use std::path::PathBuf;

use clap::Subcommand;
use gateway_certificates::devices::PfxFormat;
use serde::Serialize;

use super::authority::{NewFile, root_key};
use crate::{
    administration::certificates::devices::{DeviceMade, DeviceReport, DeviceWish, Revocation},
    cli::{
        Failure, Outcome, Session, secret,
        table::{Cell, Table, Tone},
    },
};

#[derive(Subcommand)]
pub(in crate::cli) enum Device {
    Add {
        name: String,
        #[arg(long, value_name = "DAYS")]
        days: Option<u32>,
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        #[arg(long)]
        old_format: bool,
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
    },
    List,
    Revoke {
        #[arg(value_name = "NAME|SERIAL")]
        which: String,
    },
}

/// The password is nowhere else.
#[derive(Serialize)]
struct Added {
    device: DeviceReport,
    file: PathBuf,
    password: String,
    notes: Vec<String>,
}

impl Device {
    pub(super) fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Add {
                name,
                days,
                to,
                old_format,
                root_key: elsewhere,
            } => {
                let to = to.unwrap_or_else(|| file_name(&name));
                let file = NewFile::make(&to, session)?;
                let wish = DeviceWish {
                    name,
                    days,
                    format: match old_format {
                        true => PfxFormat::Old,
                        false => PfxFormat::Current,
                    },
                    password: secret::make()?,
                    root_key: root_key(elsewhere.as_deref(), session)?,
                };
                let made: DeviceMade = session.gateway.post("/devices", &wish)?;
                let pfx = openssl::base64::decode_block(&made.pfx);
                let pfx = pfx.map_err(|fault| Failure::Said(session.cause(&fault)))?;
                file.keep(&pfx, session)?;
                let added = Added {
                    device: made.device,
                    file: to,
                    password: wish.password,
                    notes: made.notes,
                };
                session.show(&added, |added| print_added(added, session))
            }
            Self::List => {
                let devices: Vec<DeviceReport> = session.gateway.get("/devices")?;
                session.show(&devices, |devices| print(devices, session))
            }
            Self::Revoke { which } => {
                let revocation = Revocation { which };
                let revoked: Vec<DeviceReport> =
                    session.gateway.post("/devices/revoke", &revocation)?;
                session.show(&revoked, |revoked| {
                    for device in revoked {
                        let values = [("name", device.name.as_str()), ("serial", &device.serial)];
                        out!("{}", session.say("device-revoked", &values));
                    }
                })
            }
        }
    }
}

/// In the folder from which the command was given.
fn file_name(name: &str) -> PathBuf {
    let safe = name.trim().replace(['/', '\0'], "_");
    PathBuf::from(format!("{}.p12", safe.trim_start_matches('.')))
}

fn print_added(added: &Added, session: &Session) {
    let file = added.file.display().to_string();
    let values = [
        ("name", added.device.name.as_str()),
        ("file", &file),
        ("expires", &session.moment(&added.device.expires)),
    ];
    out!("{}", session.say("device-added", &values));
    let password = Tone::Strong.paint(&added.password, session.colour);
    out!("{} {password}", session.say("device-password", &[]));
    for note in &added.notes {
        out!("! {note}");
    }
}

fn print(devices: &[DeviceReport], session: &Session) {
    if devices.is_empty() {
        return out!("{}", session.say("device-none", &[]));
    }
    let say = |key: &str| session.say(key, &[]);
    let mut table = Table::with_head(
        [
            "device-name",
            "device-state",
            "device-issued",
            "status-expires",
            "device-serial",
        ]
        .map(say),
    );
    for device in devices {
        let state = match (&device.revoked, device.days_left < 0) {
            (Some(at), _) => Cell::new(
                session.say("device-state-revoked", &[("at", &session.moment(at))]),
                Tone::Bad,
            ),
            (None, true) => Cell::new(say("device-state-ended"), Tone::Bad),
            (None, false) => Cell::new(say("device-state-good"), Tone::Good),
        };
        table.row([
            device.name.as_str().into(),
            state,
            session.moment(&device.issued).into(),
            session.moment(&device.expires).into(),
            device.serial.as_str().into(),
        ]);
    }
    out!("{}", table.text(session.colour).trim_end());
}

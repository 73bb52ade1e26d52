//! What somebody has done to the folder `tls` by hand: it is told, it stops nothing else, and a
//! command mends it.

use std::fs;

use harness::{DEADLINE, eventually};

use crate::certificates::shop;

#[test]
fn a_damaged_request_is_told_and_removed_and_stands_in_nobodys_way() {
    let shop = shop();
    let ask = || shop.cert(&["csr", "--name", "127.0.0.1"], "")["id"].clone();
    let (whole, damaged) = (ask(), ask());
    let id = damaged.as_str().unwrap();
    let file = format!("tls/server/request-{id}.json");
    fs::write(shop.house.data().join(&file), "{").unwrap();

    let reports = shop.cert(&["show"], "");
    let requests = &reports[0]["requests"];
    assert_eq!(requests[0]["id"], whole);
    assert_eq!(requests[1]["id"], damaged);
    let told = requests[1]["fault"].as_str().unwrap();
    assert!(told.contains(&file), "{told}");
    let people = shop.house.command(&["cert", "show"]);
    assert!(people.stdout.contains(&file), "{people:?}");
    // Its key is not needed here.
    shop.cert(&["self-signed", "--database", "b"], "");

    shop.cert(&["remove", "--request", id], "");
    let left = shop.cert(&["show"], "")[0]["requests"].clone();
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
}

#[test]
fn a_certificate_whose_file_is_gone_serves_on_until_it_is_removed() {
    let shop = shop();
    let [default, ..] = shop.shown();
    shop.cert(&["self-signed", "--database", "b"], "");
    let [.., own] = shop.shown();
    let file = shop.house.data().join("tls/database-b/certificate.pem");
    fs::remove_file(&file).unwrap();
    eventually(DEADLINE, "the missing file is told", || {
        let reports = shop.cert(&["show", "b"], "");
        let fault = reports[0]["fault"].as_str()?.to_owned();
        fault.contains("certificate.pem").then_some(())
    });
    assert_eq!(shop.shown()[3], own);

    shop.cert(&["remove", "--database", "b"], "");
    assert_eq!(shop.shown()[3], default);
    shop.refuses(&["remove", "--database", "b"], "", "cert-nothing");
}

#[test]
fn a_damaged_plan_does_not_keep_the_authority_from_whom_names_its_names() {
    let shop = shop();
    shop.cert(&["authority", "--name", "gate.example.ru"], "");
    let plan = shop.house.data().join("tls/server/plan.json");
    fs::write(&plan, "{").unwrap();
    // Which names there were is not known any more.
    let told = shop.refuses(&["authority"], "", "cert-plan-damaged");
    assert!(told["message"].as_str().unwrap().contains("plan.json"));
    let made = shop.cert(&["authority", "--name", "gate.example.ru"], "");
    assert_eq!(made["certificates"][0]["names"][0], "gate.example.ru");
}

#[test]
fn a_file_without_a_certificate_vouches_for_no_acme_server() {
    let shop = shop();
    let (empty, der) = (shop.path("empty.pem"), shop.path("root.cer"));
    fs::write(&empty, "").unwrap();
    shop.openssl(&["x509", "-in", &shop.root(), "-outform", "DER", "-out", &der]);
    // Nobody answers there: who comes so far has read the file.
    let nowhere = [
        "acme",
        "--name",
        "a.example.ru",
        "--directory",
        "https://127.0.0.1:1/",
    ];
    let port = harness::free_port().to_string();
    for (file, code) in [(&empty, "refused"), (&der, "acme-away")] {
        let words = ["--port", &port, "--authority", file];
        shop.refuses(&[&nowhere[..], &words].concat(), "", code);
    }
}

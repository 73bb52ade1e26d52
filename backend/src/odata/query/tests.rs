use proptest::prelude::*;

use super::super::fault::Expected;
use super::*;

fn parsed(raw: &str) -> Query {
    Query::parse(raw).unwrap_or_else(|fault| panic!("{raw}: {fault}"))
}

/// The tree of a filter, fully bracketed.
fn filter(text: &str) -> String {
    let raw = format!(
        "$filter={}",
        text.replace('%', "%25")
            .replace('&', "%26")
            .replace('+', "%2B")
    );
    told(&parsed(&raw).filter.unwrap())
}

fn told(expr: &Expr) -> String {
    let all = |parts: &[Expr]| parts.iter().map(told).collect::<Vec<_>>();
    match expr {
        Expr::Literal(Literal::Null) => "null".to_owned(),
        Expr::Literal(Literal::Boolean(truth)) => truth.to_string(),
        Expr::Literal(Literal::Number(number)) => number.to_string(),
        Expr::Literal(Literal::Text(text)) => format!("{text:?}"),
        Expr::Literal(Literal::Moment(moment)) => moment.to_string(),
        Expr::Property(path) => path.iter().map(Name::written).collect::<Vec<_>>().join("/"),
        Expr::Not(negated) => format!("!{}", told(negated)),
        Expr::And(parts) => format!("({})", all(parts).join(" & ")),
        Expr::Or(parts) => format!("({})", all(parts).join(" | ")),
        Expr::Compare(left, comparison, right) => {
            format!("[{} {comparison:?} {}]", told(left), told(right))
        }
        Expr::In(left, members) => format!("[{} In {}]", told(left), members.len()),
        Expr::Call(function, arguments) => format!("{function:?}({})", all(arguments).join(",")),
    }
}

#[test]
fn and_binds_closer_than_or_and_not_closer_than_both() {
    for (text, tree) in [
        ("a and b or c", "((a & b) | c)"),
        ("a or b and c", "(a | (b & c))"),
        ("not a and b", "(!a & b)"),
        ("not a or b", "(!a | b)"),
        ("not (a or b) and c", "(!(a | b) & c)"),
        ("not(a)", "!a"),
        ("not not a", "!!a"),
        ("(a or b) and c", "((a | b) & c)"),
        ("a and b and c", "(a & b & c)"),
        ("not a eq true", "![a Equal true]"),
        ("((a))", "a"),
        ("(a eq 1)and(b eq 2)", "([a Equal 1] & [b Equal 2])"),
        ("a AND b OR NOT c", "((a & b) | !c)"),
    ] {
        assert_eq!(filter(text), tree, "{text}");
    }
}

#[test]
fn filters_of_real_clients_are_read() {
    for (text, tree) in [
        (
            "name eq 'А' or name eq 'Б'",
            r#"([name Equal "А"] | [name Equal "Б"])"#,
        ),
        (
            "finished eq true and inProcess ne false",
            "([finished Equal true] & [inProcess NotEqual false])",
        ),
        (
            "ИдКонтрагента eq 'it''s'",
            r#"[ИдКонтрагента Equal "it's"]"#,
        ),
        (
            "n gt -5.25 and n le 3",
            "([n Greater -5.25] & [n LessOrEqual 3])",
        ),
        ("n lt 1e3", "[n Less 1000]"),
        ("id eq null", "[id Equal null]"),
        ("packings/id eq 'pcs'", r#"[packings/id Equal "pcs"]"#),
        (
            "createDate ge 2024-08-02T08:42:06.975Z",
            "[createDate GreaterOrEqual 2024-08-02T08:42:06.975Z]",
        ),
        (
            "createDate lt 2023-11-01T10:00:00.000000+0500",
            "[createDate Less 2023-11-01T05:00:00Z]",
        ),
        (
            "createDate lt 2023-11-01T10:00:00+05:00",
            "[createDate Less 2023-11-01T05:00:00Z]",
        ),
        (
            "createDate lt 2023-11-01T10:00:00 0500 and a",
            "([createDate Less 2023-11-01T05:00:00Z] & a)",
        ),
        (
            "createDate gt 2023-11-01",
            "[createDate Greater 2023-11-01T00:00:00Z]",
        ),
        (
            "id eq 21e6d501-e8c1-44e0-b0cd-f30a369b1822",
            r#"[id Equal "21e6d501-e8c1-44e0-b0cd-f30a369b1822"]"#,
        ),
        (
            "id eq c1e6d501-e8c1-44e0-b0cd-f30a369b1822",
            r#"[id Equal "c1e6d501-e8c1-44e0-b0cd-f30a369b1822"]"#,
        ),
        (
            "createdBy eq Cleverence.Warehouse.CreatedBy'ERP'",
            r#"[createdBy Equal "ERP"]"#,
        ),
        (
            "contains(name,'сок') and not startswith(name, 'А')",
            r#"(Contains(name,"сок") & !StartsWith(name,"А"))"#,
        ),
        (
            "contains(tolower(name),'100% + сок & вода')",
            r#"Contains(ToLower(name),"100% + сок & вода")"#,
        ),
        (
            "endswith(barcode,'1') eq true",
            r#"[EndsWith(barcode,"1") Equal true]"#,
        ),
        ("id in ('1','2', '3')", "[id In 3]"),
        ("not (id in ('1'))", "![id In 1]"),
        ("'a' eq name", r#"["a" Equal name]"#),
        (
            "nullable eq 1 or trueish eq 2",
            "([nullable Equal 1] | [trueish Equal 2])",
        ),
        (
            "order eq 1 and android eq 2",
            "([order Equal 1] & [android Equal 2])",
        ),
        ("name eq ' or 1 eq 1'", r#"[name Equal " or 1 eq 1"]"#),
        (
            "name eq ''' or 1 eq 1 or '''",
            r#"[name Equal "' or 1 eq 1 or '"]"#,
        ),
    ] {
        assert_eq!(filter(text), tree, "{text}");
    }
}

#[track_caller]
fn refused(raw: &str, position: usize, expected: Expected) {
    match Query::parse(raw) {
        Err(Fault::Syntax {
            position: at,
            expected: wanted,
            ..
        }) => {
            assert_eq!((at, wanted), (position, expected), "{raw}");
        }
        other => panic!("{raw}: {other:?}"),
    }
}

#[test]
fn a_filter_that_is_not_understood_is_refused_at_its_place() {
    refused("$filter=", 1, Expected::Name);
    refused("$filter=name eq", 8, Expected::Name);
    refused("$filter=name = 'a'", 6, Expected::Operator);
    refused("$filter=имя equals 'a'", 5, Expected::Operator);
    refused("$filter=name eq 'a", 11, Expected::ClosingQuote);
    refused("$filter=(name eq 'a'", 13, Expected::ClosingBracket);
    refused("$filter=name eq 'a')", 12, Expected::End);
    refused("$filter=name eq 'a' or", 13, Expected::End);
    refused("$filter=5", 1, Expected::Condition);
    refused("$filter=a or 5", 6, Expected::Condition);
    refused("$filter='a' and b", 1, Expected::Condition);
    refused("$filter=not 'a'", 5, Expected::Condition);
    refused("$filter=tolower(name)", 1, Expected::Condition);
    refused("$filter=sleep(5) eq 1", 1, Expected::KnownFunction);
    refused("$filter=contains(name)", 1, Expected::Arguments);
    refused("$filter=name eq 12-34", 9, Expected::Value);
    refused("$filter=d gt 2024-13-01T00:00:00Z", 6, Expected::DateTime);
    refused("$filter=id in 'a'", 7, Expected::OpeningBracket);
    refused("$filter=id in (a)", 8, Expected::Value);
    refused("$filter=tags/any(t: t eq 'a')", 9, Expected::Operator);
    refused("$filter=name eq 'a' 'b'", 13, Expected::End);
}

#[test]
fn paging_takes_whole_numbers_and_nothing_else() {
    let query = parsed("$top=5&$skip=16");
    assert_eq!((query.top, query.skip), (Some(5), 16));
    assert_eq!(parsed("$top=0").top, Some(0));
    for value in [
        "-1",
        "zero",
        "1.5",
        "",
        "1e3",
        "0x10",
        "5 6",
        "99999999999999999999999",
        "٣",
    ] {
        for option in ["$top", "$skip"] {
            let fault = Query::parse(&format!("{option}={value}")).unwrap_err();
            assert!(
                matches!(fault, Fault::Syntax { .. }),
                "{option}={value}: {fault}"
            );
        }
    }
}

#[test]
fn count_is_true_or_false() {
    assert!(parsed("$count=true").count);
    assert!(parsed("$Count=True").count);
    assert!(!parsed("$count=false").count);
    refused("$count=1", 1, Expected::TrueOrFalse);
    refused("$count=truely", 1, Expected::TrueOrFalse);
}

fn names(select: Option<Vec<Name>>) -> Option<Vec<String>> {
    select.map(|names| names.iter().map(|name| name.written().to_owned()).collect())
}

#[test]
fn select_takes_names_that_nobody_knows() {
    let select = |raw: &str| names(parsed(raw).select);
    let given = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    assert_eq!(select("$select=none&$count=true"), given(&["none"]));
    assert_eq!(select("$select=id,finished"), given(&["id", "finished"]));
    assert_eq!(
        select("$select=warehouseId, Сумма"),
        given(&["warehouseId", "Сумма"])
    );
    assert_eq!(select("%24select=id%2Cname"), given(&["id", "name"]));
    assert_eq!(select("$select=*"), None);
    assert_eq!(select("$select=id,*"), None);
    assert_eq!(select("$count=true"), None);
    refused("$select=", 1, Expected::Name);
    refused("$select=id,", 4, Expected::Name);
    refused("$select=id name", 4, Expected::End);
}

/// `a,b(c)`: names and what is inside.
fn expanded(query: &Query) -> String {
    let one = |expand: &Expand| {
        let name = match &expand.of {
            Wanted::All => "*",
            Wanted::Named(name) => name.written(),
        };
        if expand.query.expand.is_empty() {
            name.to_owned()
        } else {
            format!("{name}({})", expanded(&expand.query))
        }
    };
    query.expand.iter().map(one).collect::<Vec<_>>().join(",")
}

#[test]
fn expand_takes_lists_and_options_inside_each_other() {
    for (raw, tree) in [
        ("$expand=tables", "tables"),
        (
            "$expand=declaredItems,currentItems,extendedFields",
            "declaredItems,currentItems,extendedFields",
        ),
        (
            "$expand=declaredItems,currentItems,combinedItems,extendedFields,tables($expand=rows)",
            "declaredItems,currentItems,combinedItems,extendedFields,tables(rows)",
        ),
        ("%24expand=tables(%24expand%3Dfields)", "tables(fields)"),
        (
            "$expand=tables ( $expand = rows ; $select = name )",
            "tables(rows)",
        ),
        ("$expand=*", "*"),
    ] {
        assert_eq!(expanded(&parsed(raw)), tree, "{raw}");
    }
    let query = parsed(
        "$expand=tables($expand=rows($filter=name eq 'a;b)c';$orderby=index desc;$top=2;$skip=1;$count=true);$select=name),fields&$top=9",
    );
    assert_eq!(query.top, Some(9));
    let tables = query.expands("TABLES").unwrap();
    assert_eq!(
        names(tables.query.select.clone()),
        Some(vec!["name".to_owned()])
    );
    let rows = &tables.query.expands("rows").unwrap().query;
    assert_eq!((rows.top, rows.skip, rows.count), (Some(2), 1, true));
    assert_eq!(
        told(rows.filter.as_ref().unwrap()),
        r#"[name Equal "a;b)c"]"#
    );
    assert!(query.expands("fields").is_some());
    assert!(query.expands("columns").is_none());
}

#[test]
fn an_expand_that_is_not_understood_is_refused() {
    refused("$expand=", 1, Expected::Name);
    refused("$expand=tables(", 8, Expected::NestedOption);
    refused("$expand=tables()", 8, Expected::NestedOption);
    refused("$expand=tables($expand=rows", 20, Expected::ClosingBracket);
    refused("$expand=tables(select=rows)", 8, Expected::NestedOption);
    assert_eq!(
        Query::parse("$expand=tables($levels=3)"),
        Err(Fault::UnknownOption {
            option: "$levels".to_owned()
        })
    );
    assert_eq!(
        Query::parse("$expand=tables($top=3;$top=4)"),
        Err(Fault::RepeatedOption {
            option: "$top".to_owned()
        })
    );
}

#[test]
fn orderby_takes_several_properties_and_directions() {
    let told_order = |raw: &str| {
        parsed(raw)
            .order_by
            .iter()
            .map(|order| format!("{} {:?}", told(&order.by), order.direction))
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert_eq!(
        told_order("$orderby=createDate desc"),
        "createDate Descending"
    );
    assert_eq!(
        told_order("$orderby=priority+desc,createDate,%D0%B8%D0%BC%D1%8F asc"),
        "priority Descending, createDate Ascending, имя Ascending"
    );
    assert_eq!(
        told_order("$orderby=tolower(name) DESC"),
        "ToLower(name) Descending"
    );
    refused("$orderby=name down", 6, Expected::AscOrDesc);
    refused("$orderby=name,", 6, Expected::Name);
}

#[test]
fn option_names_are_read_in_any_case_and_encoding() {
    let query = parsed("%24FILTER=name+eq+%27%D0%90+%D0%91%27&%24Top=1&_=17&ticks&plain=%zz");
    assert_eq!(told(&query.filter.unwrap()), r#"[name Equal "А Б"]"#);
    assert_eq!(query.top, Some(1));
    assert_eq!(parsed(""), Query::default());
    assert_eq!(parsed("&&"), Query::default());
}

#[test]
fn a_system_option_that_is_unknown_or_repeated_is_refused() {
    for option in [
        "$search",
        "$apply",
        "$inlinecount",
        "$skiptoken",
        "$",
        "$compute",
        "$filterx",
    ] {
        assert_eq!(
            Query::parse(&format!("{option}=x")),
            Err(Fault::UnknownOption {
                option: option.to_owned()
            })
        );
    }
    for raw in ["$top=1&$top=1", "$top=1&%24TOP=2"] {
        assert!(
            matches!(Query::parse(raw), Err(Fault::RepeatedOption { .. })),
            "{raw}"
        );
    }
    assert!(Query::parse("$format=json").is_ok());
    assert!(Query::parse("$format=application/json;odata.metadata=minimal").is_ok());
    refused("$format=xml", 1, Expected::Json);
}

#[test]
fn broken_encoding_is_refused() {
    for raw in [
        "$filter=%",
        "$filter=%4",
        "$filter=%ff eq 1",
        "%2=1",
        "$top=%zz",
    ] {
        assert_eq!(Query::parse(raw), Err(Fault::Encoding), "{raw}");
    }
}

#[test]
fn the_vendors_long_filter_over_settings_is_read() {
    let terms: Vec<_> = (0..40)
        .map(|n| format!("name eq 'НастройкаОбмена{n}'"))
        .collect();
    let Some(Expr::Or(parts)) = parsed(&format!("$filter={}", terms.join(" or "))).filter else {
        panic!("one flat chain was expected");
    };
    assert_eq!(parts.len(), 40);
}

#[test]
fn nesting_and_length_are_bounded() {
    let brackets = |n: usize| format!("$filter={}a{}", "(".repeat(n), ")".repeat(n));
    assert!(Query::parse(&brackets(32)).is_ok());
    let expands = |n: usize| format!("$expand={}a{}", "a($expand=".repeat(n), ")".repeat(n));
    assert!(Query::parse(&expands(6)).is_ok());
    for raw in [
        brackets(33),
        brackets(8000),
        format!("$filter={}a", "not ".repeat(4000)),
        format!("$filter={}", "trim(".repeat(3000)),
        expands(7),
        expands(1000),
        format!("$select=a{}", ",a".repeat(600)),
        format!("$filter=a{}", "/a".repeat(600)),
        format!("$filter=name eq '{}'", "x".repeat(17_000)),
    ] {
        assert!(
            matches!(Query::parse(&raw), Err(Fault::TooMuch { .. })),
            "{}",
            raw.len()
        );
    }
}

#[test]
fn numbers_beyond_measure_are_refused_and_do_no_harm() {
    for number in [
        "1e29",
        "1e999",
        "1e4294967296",
        "1e99999999999999999999",
        "9".repeat(4000).as_str(),
    ] {
        refused(&format!("$filter=n eq {number}"), 6, Expected::Value);
    }
    for number in ["1e28", "0.1", "1e-28", "-79228162514264337593543950335"] {
        assert!(
            Query::parse(&format!("$filter=n eq {number}")).is_ok(),
            "{number}"
        );
    }
}

/// Values of properties a to d, in the bits of `row`.
fn bit(row: u8, name: char) -> bool {
    row >> (name as u8 - b'a') & 1 == 1
}

/// The rules of precedence in the plainest form: cut at `or`, then at `and`,
/// then look for `not`.
fn naive(text: &str, row: u8) -> bool {
    text.split(" or ").any(|alternative| {
        alternative.split(" and ").all(|term| {
            let (negated, name) = match term.strip_prefix("not ") {
                Some(name) => (true, name),
                None => (false, term),
            };
            bit(row, name.chars().next().unwrap()) != negated
        })
    })
}

proptest! {
    #[test]
    fn any_flat_condition_means_what_the_naive_reading_says(
        terms in prop::collection::vec((any::<bool>(), 0..4_u8, any::<bool>()), 1..9)
    ) {
        let mut text = String::new();
        for (n, (negated, letter, or)) in terms.into_iter().enumerate() {
            if n > 0 {
                text.push_str(if or { " or " } else { " and " });
            }
            if negated {
                text.push_str("not ");
            }
            text.push(char::from(b'a' + letter));
        }
        let query = parsed(&format!("$filter={text}"));
        for row in 0..16_u8 {
            let entity = ('a'..='d')
                .map(|name| (name.to_string(), serde_json::Value::Bool(bit(row, name))))
                .collect();
            prop_assert_eq!(query.admits(&entity), naive(&text, row), "{} for {:04b}", text, row);
        }
    }

    #[test]
    fn any_text_reaches_only_its_own_literal(text in "\\PC{0,30}") {
        let literal = format!("name eq '{}'", text.replace('\'', "''"));
        let encoded = percent_encoding::utf8_percent_encode(
            &literal,
            percent_encoding::NON_ALPHANUMERIC,
        );
        let filter = parsed(&format!("$filter={encoded}")).filter;
        let Some(Expr::Compare(_, Comparison::Equal, right)) = filter else {
            panic!("{literal}: {filter:?}");
        };
        prop_assert_eq!(*right, Expr::Literal(Literal::Text(text)));
    }

    #[test]
    fn no_query_panics(raw in any::<String>()) {
        drop(Query::parse(&raw));
        drop(Query::parse(&format!("$filter={raw}")));
        drop(Query::parse(&format!("$expand={raw}")));
    }

    #[test]
    fn no_soup_of_tokens_panics(tokens in prop::collection::vec(prop::sample::select(vec![
        "a", "имя", "eq", "ne", "in", "and", "or", "not", "(", ")", ",", ";", "'", "''", "1", "-1",
        "2024-08-02T08:42:06Z", "null", "true", "contains(", "$expand=", "$filter=", "/", "*", " ",
        "%27", "+", "desc", ".", "1e999", "-",
    ]), 0..24), option in prop::sample::select(vec!["$filter", "$expand", "$select", "$orderby"])) {
        drop(Query::parse(&format!("{option}={}", tokens.concat())));
        drop(Query::parse(&format!("{option}={}", tokens.join(" "))));
    }
}

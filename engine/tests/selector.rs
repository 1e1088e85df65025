// SPDX-License-Identifier: Apache-2.0
//! The selector language, clause by clause of JMS 2.0 §3.8.1 and of Artemis's manual, chapter "Filter Expressions".

use hind_engine::selector::{
    Fields, MAX_DEPTH, MAX_LENGTH, Reason, Selector, Truth, Value, core_identifier,
};

/// The message every table below is evaluated against.
struct Message;

impl Fields for Message {
    fn field<'a>(&'a self, name: &str) -> Option<Value<'a>> {
        Some(match name {
            "yes" => Value::Boolean(true),
            "no" => Value::Boolean(false),
            "name" => Value::Text("James"),
            "country" => Value::Text("UK"),
            "quote" => Value::Text("'In God We Trust'"),
            "digits" => Value::Text("21"),
            "decimal" => Value::Text("2.5"),
            "empty" => Value::Text(""),
            "truthful" => Value::Text("TRUE"),
            "rank" => Value::Integer(123),
            "two" => Value::Integer(2),
            "big" => Value::Integer(9_007_199_254_740_993),
            "least" => Value::Integer(i64::MIN),
            "half" => Value::Float(0.5),
            "whole" => Value::Float(123.0),
            "single" => Value::Float(f64::from(1.1_f32)),
            "ünïcode" => Value::Integer(1),
            "$_dollar9" => Value::Integer(1),
            "a-b" => Value::Integer(7),
            "a.b" => Value::Integer(8),
            "say \"hi\"" => Value::Integer(9),
            "AMQPriority" => Value::Integer(7),
            "AMQTimestamp" => Value::Integer(1_700_000_000_000),
            "AMQUserID" => Value::Text("ID:1"),
            "AMQDurable" => Value::Text("DURABLE"),
            "AMQExpiration" => Value::Integer(0),
            "AMQGroupID" => Value::Text("group"),
            "AMQGroupSequence" => Value::Integer(3),
            "JMSType" => Value::Text("car"),
            "JMSCorrelationID" => Value::Text("c-1"),
            _ => return None,
        })
    }
}

const T: Truth = Truth::True;
const F: Truth = Truth::False;
const U: Truth = Truth::Unknown;

#[track_caller]
fn check(rows: &[(&str, Truth)]) {
    for (text, expected) in rows {
        let selector = match Selector::parse(text) {
            Ok(Some(selector)) => selector,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(selector.evaluate(&Message), *expected, "{text}");
        assert_eq!(selector.matches(&Message), *expected == T, "{text}");
        let is_prefixed = text.contains("_props:") || text.contains("_expressions:");
        let prefixes_end = text
            .rfind(':')
            .filter(|_| is_prefixed)
            .map_or(0, |colon| colon + 1);
        let (prefixes, condition) = text.split_at(prefixes_end);
        let opposite = Selector::parse(&format!("{prefixes}NOT ({condition})"))
            .expect("still valid")
            .expect("not blank");
        assert_eq!(opposite.evaluate(&Message), !*expected, "NOT ({text})");
    }
}

#[track_caller]
fn check_refused(rows: &[(&str, usize, &str)]) {
    for (text, column, message) in rows {
        let error = Selector::parse(text).expect_err(text);
        assert_eq!(
            error.to_string(),
            format!("column {column}: {message}"),
            "{text}"
        );
    }
}

#[test]
fn jms_3_8_1_1_a_blank_selector_selects_everything() {
    for text in ["", " ", "\t\r\n"] {
        assert_eq!(Selector::parse(text), Ok(None));
    }
}

#[test]
fn the_text_is_kept_without_surrounding_blanks() {
    let selector = Selector::parse("  hyphenated_props:a-b = 7 ")
        .expect("valid")
        .expect("not blank");
    assert_eq!(selector.text(), "hyphenated_props:a-b = 7");
    assert_eq!(selector.to_string(), selector.text());
    assert_eq!(selector.clone(), selector);
}

#[test]
fn jms_3_8_1_1_literals() {
    check(&[
        // a single quote is represented by a doubled one
        ("quote = '''In God We Trust'''", T),
        ("empty = ''", T),
        ("name = 'JAMES'", F),
        ("rank = 123", T),
        ("rank = 123L", T),
        ("rank = +123", T),
        ("-rank = -123", T),
        ("rank = 0x7b", T),
        ("rank = 0X7B", T),
        ("rank = 0173", T),
        ("0 = 00", T),
        ("rank = 123.", T),
        ("rank = 1.23E2", T),
        ("rank = 1.23e+2", T),
        ("rank = 12300E-2", T),
        ("half = .5", T),
        ("half = 5e-1", T),
        ("least = -9223372036854775808", T),
        ("least = - 9223372036854775808", T),
        ("big = 9007199254740993", T),
        ("big = 9007199254740992", F),
        ("rank < 99999999999999999999", T),
        ("rank > -99999999999999999999", T),
        ("rank < 1e999", T),
        ("yes = TRUE", T),
        ("yes = true", T),
        ("no = FALSE", T),
        ("TRUE", T),
        ("FALSE", F),
        ("NULL", U),
    ]);
}

#[test]
fn jms_3_8_1_1_identifiers() {
    check(&[
        ("ünïcode = 1", T),
        ("$_dollar9 = 1", T),
        // case-sensitive, unlike reserved words
        ("Name = 'James'", U),
        ("name LiKe 'J%' aNd NoT no", T),
        // quoted ones may hold anything
        (r#""a-b" = 7"#, T),
        (r#""a.b" = 8"#, T),
        (r#""say ""hi""" = 9"#, T),
        (r#""name" IN ('James')"#, T),
    ]);
}

#[test]
fn jms_3_8_1_1_header_identifiers_are_the_brokers_fields() {
    check(&[
        ("JMSPriority = 7", T),
        ("AMQPriority = 7", T),
        ("JMSTimestamp > 1600000000000", T),
        ("JMSMessageID = 'ID:1'", T),
        ("JMSExpiration = 0", T),
        ("JMSType = 'car'", T),
        ("JMSCorrelationID LIKE 'c-_'", T),
        ("JMSXGroupID = 'group' AND JMSXGroupSeq = 3", T),
        ("JMSDeliveryMode = 'PERSISTENT'", T),
        ("'NON_PERSISTENT' = JMSDeliveryMode", F),
        ("JMSDeliveryMode <> 'NON_PERSISTENT'", T),
        ("JMSDeliveryMode IN ('PERSISTENT')", T),
        ("JMSDeliveryMode LIKE 'PERSISTENT'", T),
        ("AMQDurable = 'DURABLE'", T),
        // another field may well have that text
        ("'PERSISTENT' = 'DURABLE'", F),
    ]);
    assert_eq!(core_identifier("JMSXGroupID"), "AMQGroupID");
    assert_eq!(core_identifier("colour"), "colour");
}

#[test]
fn jms_3_8_1_1_whitespace_separates_and_comments_do_too() {
    check(&[
        ("rank=123AND(two=2)", T),
        ("\trank\r\n=\x0c123 ", T),
        ("rank /* of * the ** knight */ = 123", T),
        ("rank -- of the knight\n = 123", T),
        // without a line end there is no comment
        ("rank --1 = 124", T),
        ("/**/ yes", T),
    ]);
}

#[test]
fn jms_3_8_1_1_operators_bind_arithmetic_then_comparison_then_not_and_or() {
    check(&[
        ("two + two * two = 6", T),
        ("(two + two) * two = 8", T),
        ("two - 1 - 1 = 0", T),
        ("8 / two / two = 2", T),
        ("-two * 3 = -6", T),
        ("- - two = 2", T),
        ("yes OR yes AND no", T),
        ("(yes OR yes) AND no", F),
        ("NOT no AND no", F),
        ("NOT (no AND no)", T),
        ("NOT rank = 5", T),
        ("NOT name IS NULL", T),
        ("NOT name IN ('Bob') AND NOT rank BETWEEN 1 AND 2", T),
        ("no = NOT yes", T),
        ("rank > 5 = TRUE", T),
        ("rank BETWEEN 100 AND 150 AND yes", T),
        ("rank + 1 BETWEEN 100 + 23 AND 62 * two", T),
    ]);
}

#[test]
fn jms_3_8_1_2_and_or_not_over_unknown() {
    check(&[
        ("yes AND yes", T),
        ("yes AND no", F),
        ("no AND yes", F),
        ("no AND no", F),
        ("yes AND missing", U),
        ("missing AND yes", U),
        ("no AND missing", F),
        ("missing AND no", F),
        ("missing AND missing", U),
        ("yes OR yes", T),
        ("yes OR no", T),
        ("no OR yes", T),
        ("no OR no", F),
        ("yes OR missing", T),
        ("missing OR yes", T),
        ("no OR missing", U),
        ("missing OR no", U),
        ("missing OR missing", U),
        ("NOT yes", F),
        ("NOT no", T),
        ("NOT missing", U),
        ("yes AND missing AND no", F),
        ("no OR missing OR yes", T),
    ]);
}

#[test]
fn jms_3_8_1_1_only_like_types_compare_and_numbers_are_alike() {
    check(&[
        ("rank = 123.0", T),
        ("whole = 123", T),
        ("rank < 123.5", T),
        ("rank >= 123 AND rank <= 123", T),
        ("rank <> 124", T),
        ("rank > 124", F),
        ("single = 1.1", F),
        ("single > 1.1", T),
        ("name = 'James'", T),
        ("name <> 'Bob'", T),
        ("'James' = name", T),
        ("yes <> no", T),
        ("yes = no", F),
        // unlike types: never equal, never ordered
        ("digits = 21", F),
        ("digits <> 21", T),
        ("21 = digits", F),
        ("digits > 18", F),
        ("digits <= 18", F),
        ("yes = 1", F),
        ("yes = 'true'", F),
        ("rank BETWEEN name AND 200", F),
        ("name BETWEEN 1 AND 2", F),
        ("name NOT BETWEEN 1 AND 2", F),
        // §3.8.1.1: text and boolean comparison is restricted to = and <>
        ("name > country", F),
        ("name <= country", F),
        ("yes > no", F),
        // an identifier of another type is not a condition
        ("name", F),
        ("rank OR yes", T),
    ]);
}

#[test]
fn jms_3_8_1_1_arithmetic() {
    check(&[
        ("rank + 2 = 125", T),
        ("rank - two = 121", T),
        ("rank * two = 246", T),
        ("rank / two = 61.5", T),
        ("two / 2 = 1", T),
        ("rank % 10 = 3", T),
        ("half * 2 = 1", T),
        ("rank / 0 > 1000", T),
        ("9223372036854775807 + 1 = least", T),
        ("-(rank) = -123", T),
        ("+rank = 123", T),
        // text and boolean operands make no number
        ("digits * 2 = 42", U),
        ("2 + digits = 23", U),
        ("-name = 1", U),
        ("yes + 1 = 2", U),
    ]);
}

#[test]
fn plus_after_a_text_joins_texts() {
    check(&[
        ("name + '!' = 'James!'", T),
        ("name + two = 'James2'", T),
        ("name + half = 'James0.5'", T),
        ("name + 1e10 = 'James1.0E10'", T),
        ("name + 1.5e10 = 'James1.5E10'", T),
        ("name + yes + country = 'JamestrueUK'", T),
        ("name + missing = 'James'", U),
        ("name + '!' LIKE 'J%!'", T),
        ("'a' + 'b' = 'ab'", T),
    ]);
    let doubled = (0..150).fold(String::from("name"), |sum, _| {
        sum + &format!(" + '{}'", "x".repeat(1000))
    });
    check(&[(&format!("{doubled} LIKE 'James%'"), U)]);
}

#[test]
fn jms_3_8_1_1_between() {
    check(&[
        ("rank BETWEEN 123 AND 123", T),
        ("rank BETWEEN 100 AND 122", F),
        ("rank NOT BETWEEN 100 AND 122", T),
        ("rank NOT BETWEEN 123 AND 124", F),
        ("half BETWEEN 0 AND 1", T),
        ("missing BETWEEN 1 AND 2", U),
        ("missing NOT BETWEEN 1 AND 2", U),
        ("rank BETWEEN missing AND 5", F),
        ("rank BETWEEN missing AND 500", U),
        ("rank NOT BETWEEN missing AND 5", T),
        ("rank NOT BETWEEN missing AND 500", U),
    ]);
}

#[test]
fn jms_3_8_1_1_in() {
    check(&[
        ("country IN ('UK', 'US', 'France')", T),
        ("country IN ('US','France','Peru','Chad','Togo','Mali')", F),
        ("country NOT IN ('US', 'France')", T),
        ("country NOT IN ('UK')", F),
        ("missing IN ('UK')", U),
        ("missing NOT IN ('UK')", U),
        ("rank IN ('123')", U),
        ("rank NOT IN ('123')", U),
        ("name IN ('James', 'James')", T),
    ]);
}

#[test]
fn jms_3_8_1_1_like() {
    check(&[
        ("quote LIKE '''In G_d We Trust'''", T),
        ("quote NOT LIKE '''In Gd_ We Trust'''", T),
        ("name LIKE '%a%e_'", T),
        ("name LIKE 'James%'", T),
        ("name LIKE '_James'", F),
        ("name LIKE 'J!ames' ESCAPE '!'", F),
        ("'50%' LIKE '50!%' ESCAPE '!'", T),
        ("name NOT LIKE 'x!_%' ESCAPE '!'", T),
        ("missing LIKE '%'", U),
        ("missing NOT LIKE '%'", U),
        ("rank LIKE '1%'", F),
        ("rank NOT LIKE '1%'", T),
        ("empty LIKE '%'", T),
    ]);
}

#[test]
fn jms_3_8_1_1_is_null() {
    check(&[
        ("missing IS NULL", T),
        ("missing IS NOT NULL", F),
        ("name IS NULL", F),
        ("name IS NOT NULL", T),
        ("missing + 1 IS NULL", T),
        ("(missing = 1) IS NULL", T),
        ("rank = 123 IS NOT NULL", T),
    ]);
}

#[test]
fn jms_3_8_1_2_every_operator_over_a_missing_value_is_unknown() {
    check(&[
        ("missing = 0", U),
        ("missing <> 0", U),
        ("missing > 0", U),
        ("missing >= 0", U),
        ("missing < 0", U),
        ("missing <= 0", U),
        ("0 = missing", U),
        ("missing = missing", U),
        ("name = missing", U),
        ("-missing = 0", U),
        ("+missing = 0", U),
        ("missing * 2 = 0", U),
        ("2 / missing = 0", U),
        ("missing + 2 = 0", U),
        ("2 - missing = 0", U),
        ("missing", U),
    ]);
}

#[test]
fn convert_string_expressions_compares_text_as_a_number() {
    check(&[
        ("convert_string_expressions:digits > 18", T),
        ("convert_string_expressions:18 > digits", F),
        ("convert_string_expressions:digits = 21.0", T),
        ("convert_string_expressions:decimal BETWEEN 2 AND 3", T),
        ("convert_string_expressions:digits * 2 = 42", T),
        ("convert_string_expressions:-digits = -21", T),
        ("convert_string_expressions:truthful = TRUE", T),
        ("convert_string_expressions:truthful <> no", T),
        ("convert_string_expressions:name > 1", F),
        ("convert_string_expressions:name = 1", F),
        ("convert_string_expressions:empty = 0", F),
        ("convert_string_expressions:name = 'James'", T),
        ("convert_string_expressions:missing > 1", U),
        (
            "convert_string_expressions:no_convert_string_expressions:digits > 18",
            F,
        ),
    ]);
}

#[test]
fn hyphenated_props_allows_hyphens_in_identifiers() {
    check(&[
        ("hyphenated_props:a-b = 7", T),
        ("hyphenated_props:rank - two = 121", T),
        ("hyphenated_props:rank -two = 121", T),
        ("hyphenated_props:5-two = 3", T),
        ("hyphenated_props:rank-two = 121", U),
        (
            "hyphenated_props:convert_string_expressions:a-b = 7 AND digits = 21",
            T,
        ),
        (
            "convert_string_expressions:hyphenated_props:a-b = 7 AND digits = 21",
            T,
        ),
        ("hyphenated_props:no_hyphenated_props:rank-two = 121", T),
    ]);
}

#[test]
fn a_refusal_tells_the_column_and_what_was_expected() {
    let operand = "expected an identifier, a literal, a sign, NOT or '('";
    check_refused(&[
        ("=TEST 'test'", 1, &format!("{operand}, found '='")),
        (
            "rank >",
            7,
            &format!("{operand}, found the end of the selector"),
        ),
        ("rank > AND yes", 8, &format!("{operand}, found AND")),
        (
            "(rank = 1",
            10,
            "expected an operator or ')', found the end of the selector",
        ),
        (
            "rank = 1)",
            9,
            "expected an operator or the end of the selector, found ')'",
        ),
        (
            "a = 1 AMD b = 2",
            7,
            "expected an operator or the end of the selector, found identifier AMD",
        ),
        (
            "ü = b c",
            7,
            "expected an operator or the end of the selector, found identifier c",
        ),
        (
            "a = 08",
            6,
            "expected an operator or the end of the selector, found a number",
        ),
        ("a IS 5", 6, "expected NULL or NOT NULL, found a number"),
        ("a IS NOT 'x'", 10, "expected NULL, found a text literal"),
        (
            "a NOT 5",
            7,
            "expected LIKE, BETWEEN or IN after NOT, found a number",
        ),
        (
            "a BETWEEN 1 OR 2",
            13,
            "expected AND and the upper bound of BETWEEN, found OR",
        ),
        ("a IN 'x'", 6, "expected '(' after IN, found a text literal"),
        ("a IN ()", 7, "expected a text in single quotes, found ')'"),
        (
            "a IN ('x' 'y')",
            11,
            "expected ',' or ')', found a text literal",
        ),
        (
            "a IN (1, 2)",
            7,
            "expected a text in single quotes, found a number",
        ),
        (
            "a LIKE b",
            8,
            "expected a pattern in single quotes after LIKE, found identifier b",
        ),
        (
            "a LIKE 'x' ESCAPE b",
            19,
            "expected one character in single quotes after ESCAPE, found identifier b",
        ),
        (
            "hyphenated_props:",
            18,
            &format!("{operand}, found the end of the selector"),
        ),
    ]);
}

#[test]
fn a_refusal_says_what_to_write_instead() {
    check_refused(&[
        ("a != 1", 3, "unexpected '!'; not-equal is written <>"),
        (
            "a.b = 1",
            2,
            "unexpected '.'; an identifier with dots must be written in double quotes",
        ),
        ("a = #", 5, "unexpected character '#'"),
        ("a = 'x", 5, "this text literal is never closed"),
        ("a = 'x''", 5, "this text literal is never closed"),
        ("\"a = 1", 1, "this quoted identifier is never closed"),
        (
            "a = 0x8000000000000000",
            5,
            "this number does not fit 64 bits",
        ),
        (
            "a LIKE 'x' ESCAPE '!!'",
            19,
            "the ESCAPE text must be exactly one character",
        ),
        (
            "a LIKE 'x' ESCAPE ''",
            19,
            "the ESCAPE text must be exactly one character",
        ),
        (
            "XPATH '//a'",
            1,
            "XPATH and XQUERY selectors are not supported",
        ),
        (
            "a = 1 OR xquery 'b'",
            10,
            "XPATH and XQUERY selectors are not supported",
        ),
        (
            "3+5",
            1,
            "expected a condition, but this is never true or false",
        ),
        (
            "TRUE AND 3+5",
            10,
            "expected a condition, but this is never true or false",
        ),
        (
            "NOT 'text'",
            5,
            "expected a condition, but this is never true or false",
        ),
        (
            "a > 'text'",
            5,
            "only numbers can be compared by <, <=, >, >= and BETWEEN",
        ),
        (
            "a BETWEEN 'a' AND 'b'",
            11,
            "only numbers can be compared by <, <=, >, >= and BETWEEN",
        ),
        (
            "TRUE < a",
            1,
            "only numbers can be compared by <, <=, >, >= and BETWEEN",
        ),
        (
            "a < b < c",
            1,
            "only numbers can be compared by <, <=, >, >= and BETWEEN",
        ),
        (
            "a = NULL",
            5,
            "these can never be equal; NULL is tested by IS NULL or IS NOT NULL",
        ),
        (
            "TRUE = 5",
            8,
            "these can never be equal; NULL is tested by IS NULL or IS NOT NULL",
        ),
        ("'a' * 2 = 2", 1, "expected a numeric operand"),
        ("(a = 1) + 2 = 3", 2, "expected a numeric operand"),
        ("-'a' = 1", 2, "expected a numeric operand"),
        (
            "a + 1 IN ('x')",
            1,
            "expected an identifier on the left of IN",
        ),
        (
            "(a = 1) LIKE 'x'",
            2,
            "expected an identifier on the left of LIKE",
        ),
    ]);
}

#[test]
fn nesting_of_depth_100_000_is_refused_however_it_is_written() {
    let deep = 100_000;
    let nested = [
        "(".repeat(deep) + "yes" + &")".repeat(deep),
        "(".repeat(deep),
        "NOT ".repeat(deep / 2) + "yes",
        "-".repeat(deep) + "1 = 1",
        "- +".repeat(deep / 2) + "a = 1",
        "a = ".repeat(deep / 2) + "a",
        String::from("a") + &"+a".repeat(deep) + " = 1",
        String::from("a") + &"*a".repeat(deep) + " = 1",
        String::from("a") + &" IS NULL".repeat(deep / 4),
        "(a OR b AND ".repeat(deep / 8),
    ];
    for text in &nested {
        let error = Selector::parse(text).expect_err("nests too deep");
        assert_eq!(error.reason, Reason::TooDeep, "{}…", &text[..12]);
    }
}

#[test]
fn nesting_up_to_the_limit_is_evaluated() {
    let deep = MAX_DEPTH - 1;
    let odd = deep % 2 == 1;
    check_once(&("(".repeat(deep) + "yes" + &")".repeat(deep)), T);
    check_once(&("NOT ".repeat(deep) + "yes"), if odd { F } else { T });
    check_once(
        &(String::from("1") + &"+1".repeat(deep - 1) + &format!(" = {deep}")),
        T,
    );
}

#[track_caller]
fn check_once(text: &str, expected: Truth) {
    let selector = Selector::parse(text).expect("valid").expect("not blank");
    assert_eq!(selector.evaluate(&Message), expected);
}

#[test]
fn long_chains_of_and_and_or_do_not_nest() {
    let alternatives = vec!["rank = 5"; 10_000].join(" OR ");
    check_once(&format!("{alternatives} OR yes"), T);
    check_once(&alternatives, F);
    check_once(&vec!["rank = 123 AND two = 2"; 5_000].join(" OR "), T);
    check_once(&vec!["(rank = 123 OR no)"; 5_000].join(" AND "), T);
}

#[test]
fn a_selector_longer_than_the_limit_is_refused() {
    let longest = format!("name = '{}'", "x".repeat(MAX_LENGTH - 9));
    assert!(Selector::parse(&longest).is_ok());
    let error = Selector::parse(&format!("yes OR {longest}")).expect_err("too long");
    assert_eq!(
        error.reason,
        Reason::TooLong {
            bytes: MAX_LENGTH + 7
        }
    );
}

/// Valid selectors that together use every operator; mutations of them reach deep into the parser.
const SEEDS: [&str; 8] = [
    "JMSPriority > 5 AND colour IN ('red', 'bl''ue') OR NOT (weight BETWEEN 2.5 AND 0x1F)",
    "name LIKE 'a!_%b' ESCAPE '!' AND name NOT LIKE '%_x%' AND missing IS NOT NULL",
    "hyphenated_props:a-b = 7 OR -rank * (two + 3L) / 2 % 5 <= .5E-3",
    "convert_string_expressions:digits >= 18 AND digits <> '21' AND truthful = TRUE",
    "\"a.b\" = 8 /* comment */ AND name + '!' = 'James!' -- to the end\n AND yes",
    "((((a = 1) OR b = 2) AND c = 3) OR d <> 017) = FALSE",
    "country NOT IN ('UK','US') AND age NOT BETWEEN - - 1 AND + 9223372036854775808",
    "ünïcode = 1 AND JMSDeliveryMode = 'NON_PERSISTENT' AND NULL IS NULL",
];

/// Xorshift: the same mutations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Deletes, doubles, moves or replaces some characters or words of a seed, or splices two seeds.
fn mutate(random: &mut Random) -> String {
    let mut characters: Vec<char> = SEEDS[random.below(SEEDS.len())].chars().collect();
    for _ in 0..=random.below(5) {
        let at = random.below(characters.len() + 1);
        let end = (at + random.below(12)).min(characters.len());
        match random.below(5) {
            0 => drop(characters.drain(at..end)),
            1 => {
                let doubled = characters[at..end].to_vec();
                characters.splice(at..at, doubled);
            }
            2 => {
                let other: Vec<char> = SEEDS[random.below(SEEDS.len())].chars().collect();
                let from = random.below(other.len());
                characters.splice(at..end, other[from..].iter().copied());
            }
            3 => {
                let alphabet = [
                    '\'',
                    '"',
                    '(',
                    ')',
                    '%',
                    '-',
                    '/',
                    '*',
                    '.',
                    '0',
                    'x',
                    'L',
                    'é',
                    '\0',
                    '\u{10FFFF}',
                    ' ',
                ];
                characters.splice(at..end, [alphabet[random.below(alphabet.len())]]);
            }
            _ => {
                let words = [
                    " NOT ",
                    " AND ",
                    " IS NULL ",
                    " LIKE '",
                    " IN (",
                    "/*",
                    "--",
                    "<>",
                    "1e",
                    "0x",
                    " BETWEEN ",
                ];
                characters.splice(at..at, words[random.below(words.len())].chars());
            }
        }
    }
    characters.into_iter().collect()
}

#[test]
fn mutated_selectors_are_refused_or_evaluated_but_never_panic() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..40_000 {
        let text = mutate(&mut random);
        match Selector::parse(&text) {
            Ok(Some(selector)) => {
                accepted += 1;
                assert_eq!(
                    selector.matches(&Message),
                    selector.evaluate(&Message) == T,
                    "{text}"
                );
                assert_eq!(
                    Selector::parse(selector.text()),
                    Ok(Some(selector.clone())),
                    "{text}"
                );
            }
            Ok(None) => assert!(text.trim_matches(|c: char| c <= ' ').is_empty(), "{text}"),
            Err(error) => {
                refused += 1;
                assert!(error.column <= text.chars().count() + 1, "{text}: {error}");
            }
        }
    }
    // the mutations are worth something only if they stay near the border
    assert!(
        accepted > 2_000 && refused > 2_000,
        "{accepted} accepted, {refused} refused"
    );
}

#[test]
fn the_seeds_of_the_mutations_are_valid() {
    for text in SEEDS {
        assert!(Selector::parse(text).is_ok(), "{text}");
    }
}

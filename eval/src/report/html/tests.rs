//! The page as a whole.

use super::super::synthetic::{efficiency, falling, run};
use super::page;

/// Elements without an end.
const VOID: [&str; 3] = ["meta", "br", "!DOCTYPE"];

/// Every element ends, in the order in which elements begin.
fn check_nesting(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap_or_else(|| panic!("no end: {part}"));
        let name = tag.split([' ', '/']).find(|word| !word.is_empty()).unwrap_or_default();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "before {}", &part[..part.len().min(80)]);
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes of {tag}");
    }
    assert!(open.is_empty(), "{open:?}");
}

fn check(page: &str) {
    check_nesting(page);
    let lower = page.to_lowercase();
    for word in ["<script", "javascript:", "http:", "https:", "src=", "@import", "url(", "onload", "nan", "inf\""] {
        assert!(!lower.contains(word), "{word}");
    }
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
}

#[test]
fn one_model() {
    let mut run = falling("m", 1_000_000, 0.8);
    run.efficiency = efficiency(&[("none", 100.0, 40_000_000), ("gptq:w4g128", 250.0, 20_000_000)]);
    let runs = [run];
    let page = page(&runs);
    check(&page);
    assert_eq!(page, super::page(&runs.clone()));
    for part in
        ["<svg viewBox", "role=\"img\"", "guessing", "Table 13", "Table 8", "supported", "--quant none,gptq:w8g128"]
    {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn several_models() {
    let page = page(&[falling("small", 1_000_000, 0.5), falling("large", 4_000_000, 0.9)]);
    check(&page);
    assert!(page.contains("at equal bytes</caption>") && page.contains("large gptq:w4g128, 1.00 MB"), "{page}");
}

#[test]
fn little_to_show() {
    check(&page(&[]));
    check(&page(&[run("m", &[("none", 16.0, 100, &[])])]));
    check(&page(&[run("m", &[("none", 16.0, 100, &[("mmlu@a", 0.5)]), ("rtn:w8", 8.5, 50, &[])])]));
    check(&page(&[run("m", &[("rtn:w4g32", 5.0, 100, &[("perplexity:a@gptq-256", 5.0)])])]));
}

#[test]
fn names_are_no_markup() {
    let scores: &[(&str, f64)] = &[("<b>task</b>:\"x\"@y", 0.5), ("perplexity:<i>@gptq-2", 5.0)];
    let page =
        page(&[run("<script>alert('1')</script> & co", &[("none", 16.0, 100, scores), ("rtn:w8", 8.5, 50, scores)])]);
    check(&page);
    assert!(page.contains("&lt;script&gt;") && page.contains("&lt;b&gt;task&lt;/b&gt;") && !page.contains("<b>task"));
}

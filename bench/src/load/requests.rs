//! Requests as bytes.

use serde_json::Value;

/// A POST of a body of whatever kind.
pub(crate) fn post_bytes(path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// A POST of JSON.
pub(crate) fn post(path: &str, body: &Value) -> Vec<u8> {
    post_bytes(path, body.to_string().as_bytes())
}

/// A request without a body.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// Characters of an old text in Portuguese, so many of them, from another word on for each number.
pub(crate) fn prompt(number: usize, characters: usize) -> String {
    const TEXT: &str = "A menina estava na janela quando o velho chegou, e ninguém disse nada \
        durante algum tempo. O mar era azul; as ondas vinham devagar até à areia. Depois ela voltou \
        para casa, fechou a porta e pôs-se a ler a carta que recebera de manhã, com o coração aos \
        saltos. ";
    let words: Vec<&str> = TEXT.split_inclusive(' ').collect();
    let from = number % words.len();
    words.iter().cycle().skip(from).flat_map(|word| word.chars()).take(characters).collect()
}

//! Servers to ask, and a client to ask them.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::thread::JoinHandle;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper::http::request;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use machado_core::data::{CorpusReader, Split};
use machado_core::math::simd::VectorUnit;
use machado_core::model::{LayerConfig, Model, ModelConfig};
use machado_core::text::Standardize;
use machado_core::tokenizer::{CharTokenizer, Tokenizer, TokenizerKind, VocabularyConfig};
use machado_server::{Ended, EngineConfig, Limits, ServedModel, Server, ServerConfig, WatchedRun};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// A text with characters of one to four bytes.
pub const TEXT: &str = "a cor do céu é azul, e a do mar também; à noite, não. 🎻 toca\n";

/// A model with random weights: what it writes is noise, but always the same.
pub fn model(tokenizer: Tokenizer, units: usize) -> Model {
    let activation = machado_core::layers::Activation::Softmax;
    let layers = vec![
        LayerConfig::Embedding { output_dim: 8 },
        LayerConfig::Gru { units, reset_after: true },
        LayerConfig::Dense { units: None, activation },
    ];
    let mut model = Model::new(ModelConfig { layers }, tokenizer, 7).unwrap();
    // Larger weights, so that some tokens are much likelier than others.
    model.weights.iter_mut().for_each(|weight| *weight *= 4.0);
    model
}

/// One token a character.
pub fn characters() -> Tokenizer {
    Tokenizer::Char(CharTokenizer::from_text(TEXT))
}

/// Bytes and parts of words: a token may be a part of a character.
pub fn parts_of_words() -> Tokenizer {
    let kind = TokenizerKind::Bpe;
    let mut reader =
        CorpusReader::new(VocabularyConfig { kind, max_vocab: Some(300), min_count: Some(1) }, 0);
    reader.add(TEXT);
    let split = "1.0:0.0".parse::<Split>().unwrap();
    reader.finish(&split, None).unwrap().tokenizer
}

/// Words with the space before them.
pub fn words() -> Tokenizer {
    let kind = TokenizerKind::Word;
    let mut reader =
        CorpusReader::new(VocabularyConfig { kind, max_vocab: Some(300), min_count: Some(1) }, 0);
    reader.add(&TEXT.repeat(3));
    let split = "1.0:0.0".parse::<Split>().unwrap();
    reader.finish(&split, None).unwrap().tokenizer
}

/// A model to serve.
pub fn served(id: &str, tokenizer: Tokenizer) -> ServedModel {
    let model = model(tokenizer, 24);
    ServedModel::new(id.into(), model, Standardize::None, VectorUnit::detect()).unwrap()
}

/// How it is served where a test does not say otherwise.
pub fn config() -> ServerConfig {
    ServerConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        engine: EngineConfig { threads: 2, parallel: 32, queue: 64 },
        limits: Limits::default(),
        api_keys: Vec::new(),
        strict_model: false,
        cors_origins: Vec::new(),
    }
}

/// A server that runs until it is dropped.
pub struct Running {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Ended>>,
}

impl Running {
    pub fn start(models: Vec<ServedModel>, run: Option<WatchedRun>, config: ServerConfig) -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::bind(models, run, config)).unwrap();
        let address = server.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(server.run(async {
                let _ = stopped.await;
            }))
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Tells it to stop.
    pub fn tell_to_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits until it has stopped.
    pub fn ended(mut self) -> Ended {
        self.thread.take().unwrap().join().unwrap()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path), b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_bytes(path, body.to_string().as_bytes())
    }

    pub fn post_bytes(&self, path: &str, body: &[u8]) -> Answer {
        self.ask(Request::post(path), body)
    }

    /// Asks on a connection of its own.
    fn ask(&self, request: request::Builder, body: &[u8]) -> Answer {
        let body = Full::new(Bytes::copy_from_slice(body));
        let request = request.header("host", self.address.to_string()).body(body).unwrap();
        let asked = async {
            let stream = TcpStream::connect(self.address).await.unwrap();
            let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
            let connection = tokio::spawn(connection);
            let response = sender.send_request(request).await.unwrap();
            let (head, body) = response.into_parts();
            let text = body.collect().await.unwrap().to_bytes();
            drop(sender);
            let _ = connection.await.unwrap();
            Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                text: String::from_utf8(text.into()).unwrap(),
            }
        };
        client().block_on(asked)
    }

    /// The whole answer to a request for completions.
    pub fn complete(&self, request: &Value) -> Value {
        let answer = self.post("/v1/completions", request);
        assert_eq!(answer.status, 200, "{request}: {}", answer.text);
        answer.json()
    }

    /// What the chunks of a stream add up to, and how many there were.
    pub fn stream(&self, request: &Value) -> (Value, usize) {
        let mut request = request.clone();
        request["stream"] = json!(true);
        request["stream_options"] = json!({ "include_usage": true });
        let answer = self.post("/v1/completions", &request);
        assert_eq!(answer.status, 200, "{request}: {}", answer.text);
        let chunks = chunks(&answer.text);
        (added_up(&chunks), chunks.len())
    }

    /// A counter of `/metrics`.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let (Some(stop), Some(thread)) = (self.stop.take(), self.thread.take()) {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

/// The models of [`server`], each with its tokenizer.
pub const MODELS: [&str; 3] = ["char", "word", "bpe"];

pub fn tokenizer(id: &str) -> Tokenizer {
    match id {
        "char" => characters(),
        "word" => words(),
        _ => parts_of_words(),
    }
}

/// A server with a model of each kind of token, which all tests may ask.
pub fn server() -> &'static Running {
    static SERVER: OnceLock<Running> = OnceLock::new();
    SERVER.get_or_init(|| {
        let models = MODELS.map(|id| served(id, tokenizer(id))).into();
        Running::start(models, None, config())
    })
}

/// What came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What the clients of all tests run on.
fn client() -> &'static Runtime {
    static CLIENT: OnceLock<Runtime> = OnceLock::new();
    CLIENT.get_or_init(|| Runtime::new().unwrap())
}

/// The chunks of a stream, which must end as it should.
pub fn chunks(text: &str) -> Vec<Value> {
    let mut data: Vec<&str> = text
        .split("\n\n")
        .filter(|event| !event.is_empty() && !event.starts_with(':'))
        .map(|event| event.strip_prefix("data: ").unwrap())
        .collect();
    assert_eq!(data.pop(), Some("[DONE]"), "{text}");
    data.into_iter().map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// Chunks in one answer.
fn added_up(chunks: &[Value]) -> Value {
    let mut whole = chunks[0].clone();
    let mut choices: Vec<Value> = Vec::new();
    for chunk in chunks {
        for name in ["id", "object", "created", "model", "system_fingerprint"] {
            assert_eq!(chunk[name], whole[name]);
        }
        for delta in chunk["choices"].as_array().unwrap() {
            let index = delta["index"].as_u64().unwrap();
            match choices.iter_mut().find(|choice| choice["index"] == index) {
                None => choices.push(delta.clone()),
                Some(choice) => append(choice, delta),
            }
        }
    }
    choices.sort_by_key(|choice| choice["index"].as_u64());
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert!(before.iter().all(|chunk| chunk["usage"].is_null()));
    whole["choices"] = choices.into();
    whole["usage"] = last["usage"].clone();
    whole
}

fn append(choice: &mut Value, delta: &Value) {
    assert!(choice["finish_reason"].is_null(), "{delta} after the end");
    choice["text"] =
        (choice["text"].as_str().unwrap().to_owned() + delta["text"].as_str().unwrap()).into();
    choice["finish_reason"] = delta["finish_reason"].clone();
    if choice["logprobs"].is_null() {
        choice["logprobs"] = delta["logprobs"].clone();
    } else if let Some(more) = delta["logprobs"].as_object() {
        for (name, values) in more {
            let own = choice["logprobs"][name].as_array_mut().unwrap();
            own.extend(values.as_array().unwrap().iter().cloned());
        }
    }
    if let Some(more) = delta["token_ids"].as_array() {
        choice["token_ids"].as_array_mut().unwrap().extend(more.iter().cloned());
    }
}

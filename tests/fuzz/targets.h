// The fuzz targets, one a reader: each reads the input and does with it what the program does next. wan::Error is an
// answer; whatever else is thrown, a sanitizer's report, a time or a size without bound is a find. `_report` goes on to
// what `wanbench report` and `compare` make of what was read.
#pragma once

#include "input.h"

namespace wan::fuzz {

// Files of a checkpoint.
void safetensors(Bytes input);
void pth(Bytes input);
void gguf(Bytes input);
void weights(Bytes input);  // a model's part in any container, naming and scheme
void lora(Bytes input);     // its changes to a small DiT
void foreign(Bytes input);  // a single file named as a checkpoint: safetensors, GGUF or another
void index(Bytes input);    // of shards, beside two good ones
void config(Bytes input);
void tokenizer(Bytes input);  // tokenizer.json; behind a NUL a text that it encodes
void spiece(Bytes input);     // spiece.model; before a NUL a text that it encodes
void card(Bytes input);       // README.md

// Files of a results folder.
void records(Bytes input);
void records_report(Bytes input);
void samples(Bytes input);
void samples_report(Bytes input);
void spans(Bytes input);
void spans_report(Bytes input);
void kernel_events(Bytes input);
void kernel_events_report(Bytes input);
void plan(Bytes input);
void load_tests(Bytes input);  // load.json
void history(Bytes input);
void poster(Bytes input);  // an mp4, for its frames and its still

// Files that a user names.
void image(Bytes input);
void sound(Bytes input);           // of --audio
void video_metadata(Bytes input);  // the comment of an mp4
void cache_curve(Bytes input);     // of --cache-curve
void prompts(Bytes input);
void suites(Bytes input);  // JSON where it begins with a brace, else TOML
void imports(Bytes input);
void imports_report(Bytes input);
void overhead(Bytes input);
void overhead_report(Bytes input);
void tables(Bytes input);  // peaks or prices of cards
void tables_report(Bytes input);
void tuning(Bytes input);
void patterns(Bytes input);  // behind a NUL the log that they cut
void patterns_report(Bytes input);

// What a client of the server sends.
void orders(Bytes input);  // before a NUL the Content-Type or an empty text for JSON, behind it the body

// What a server under load says.
void server_answers(Bytes input);

// What a measured program says.
void protocol(Bytes input);  // a byte that says how it was watched, then the bytes of its pipe
void protocol_report(Bytes input);

}  // namespace wan::fuzz

// The flags of commands that take a model's files without making a video: those of a request, in place of parts.
#pragma once

#include <CLI/CLI.hpp>

#include "base/weight_choice.h"

namespace wan::cli {

/// --dit, --dit-high, --dit-low, --text-encoder, --vae and --tokenizer, as generate has them.
inline void add_part_options(CLI::App& command, WeightChoice& choice) {
  command.add_option("--dit", choice.dit, "DiT of a model with one")->type_name("FILE");
  command.add_option("--dit-high", choice.dit_high, "high-noise expert")->type_name("FILE");
  command.add_option("--dit-low", choice.dit_low, "low-noise expert")->type_name("FILE");
  command.add_option("--text-encoder", choice.text_encoder, "UMT5 text encoder")->type_name("FILE");
  command.add_option("--vae", choice.vae, "VAE")->type_name("FILE");
  command.add_option("--tokenizer", choice.tokenizer, "tokenizer.json, spiece.model or their folder")
      ->type_name("PATH");
}

}  // namespace wan::cli

// The options that describe a generation, shared by the commands that run one.
#pragma once

#include <string>

#include "pipeline/request.h"

namespace CLI {
class App;
}

namespace wan::cli {

/// What the command line holds before it is understood.
struct RequestOptions {
  Request request;
  std::string size, guidance, solver = "unipc", precision, vae_precision, offload = "auto", weights = "checkpoint",
                              dump_level = "stages";
  double shift = 0, boundary = -1;
  bool no_overlap = false;
};

/// Declares the options on `command`; `options` must live until the command has run.
void add_request_options(CLI::App& command, RequestOptions& options);

/// Understands the text options. Throws Error(kUsage) naming the flag.
Request understand(const RequestOptions& options);

/// "WxH" (or the official "W*H") to two positive numbers. Throws Error(kUsage).
void parse_size(const std::string& text, int64_t& width, int64_t& height);

}  // namespace wan::cli

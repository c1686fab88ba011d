// The options that describe a generation, shared by the commands that run one.
#pragma once

#include "pipeline/request.h"

namespace CLI {
class App;
}

namespace wan::cli {

/// Whether a command lets its video be kept.
enum class VideoFile { kNo, kYes };

/// Declares the options of pipeline/request_options.h on `command`, which fill `request`; it must live until the
/// command has run.
void add_request_options(CLI::App& command, Request& request, VideoFile video);

/// Completes what the command line said and tells of an older spelling. Throws Error(kUsage) naming the flag.
Request understand(Request request);

}  // namespace wan::cli

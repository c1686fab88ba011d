// The options that describe a generation, shared by the commands that run one.
#pragma once

#include <functional>

#include "pipeline/request.h"
#include "pipeline/request_options.h"

namespace CLI {
class App;
}

namespace wan::cli {

/// Whether a command lets its video be kept.
enum class VideoFile { kNo, kYes };

/// The word of --seed that has one drawn, by the commands that keep their video.
inline constexpr const char* kRandomSeed = "random";

/// Declares the options of pipeline/request_options.h on `command`, which fill `request`; it must live until the
/// command has run. `wanted`: which; none: all.
void add_request_options(CLI::App& command, Request& request, VideoFile video,
                         const std::function<bool(const Option&)>& wanted = {});

/// Completes what a request says in words of its own. Throws Error(kUsage) naming the flag.
Request checked(Request request);

/// The same of what the command line said, telling of an older spelling. Throws Error(kUsage) naming the flag.
Request understand(Request request);

}  // namespace wan::cli

// Writing gigabytes takes a while: a line that says how far it is, and a stop on Ctrl-C that leaves nothing behind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "base/error.h"
#include "model/checkpoint_writer.h"

namespace wan::cli {

/// Runs `write` with options that show progress on a terminal and stop at a signal; says what was written to `target`.
ExitCode write_with_progress(const std::filesystem::path& target,
                             const std::function<void(const WriteOptions& options)>& write);

}  // namespace wan::cli

// What a worker does: makes the videos that the server orders, one after another, with one engine that stays warm.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/error.h"

namespace wan::serve {

struct WorkerProcess {
  int pipe_descriptor = -1;      // to speak to the server
  std::filesystem::path orders;  // a FIFO that the server writes to
  int64_t cached_prompts = 0;
  std::map<std::string, std::string> environment;  // variables that the engine and its libraries read, where set
};

/// Until the server has gone, with which it ends. Errors of a request are told and leave it able to take the next one.
/// Throws Error(kInput) when the FIFO cannot be read.
ExitCode run_worker_process(const WorkerProcess& process);

}  // namespace wan::serve

// Several workers or runs of one program at once, a card each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace wan::cli {

/// As many devices: the first cards by index, or all the processor. `asked`: what --device said; empty: cards where
/// there are any. Throws Error(kUsage) for another device and for more replicas than cards.
std::vector<std::string> replica_devices(int64_t replicas, const std::vector<std::string>& asked);

/// This process's command line as many times at once, each on a device and with a folder of its own,
/// OUTPUT/replica-0, ...; what they say on standard error is passed on with their name before it, the rest is in
/// OUTPUT/replica-0.txt. Then, of each case, how many videos an hour they made together. Fails where one of them did.
ExitCode run_replicas(const std::vector<std::string>& devices, const std::filesystem::path& output);

}  // namespace wan::cli

// Where the running program is: what comes with it is found from there, so that the whole may be moved.
#pragma once

#include <filesystem>

namespace wan {

/// The folder of the running program, links resolved; empty where /proc does not say.
std::filesystem::path program_folder();

}  // namespace wan

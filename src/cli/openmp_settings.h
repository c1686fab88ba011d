// How this program's idle OpenMP threads wait. Threads that have done their part of a parallel loop spin, with GNU
// OpenMP's default for milliseconds, and so keep the cores from whoever still works, this program's own threads among
// them.
#pragma once

#include <map>
#include <string>

namespace wan::cli {

/// Variables a process of ours is to be started with; none where the user has set how threads wait.
std::map<std::string, std::string> openmp_settings();

/// The runtime reads its settings before main: starts this program once more with them. They do not stay in the
/// environment, where a program to be measured would find them. Returns where there is nothing to do or that fails.
void restart_with_openmp_settings(char** argv);

}  // namespace wan::cli

// The names of a record's two stages that no engine reports: made from all the others.
#pragma once

namespace wan {

/// The run from its process's start to its end: the parent of every leaf.
inline constexpr const char* kTotalName = "Total_Execution";
/// What no leaf covers of it.
inline constexpr const char* kUnattributedName = "Unattributed";

}  // namespace wan

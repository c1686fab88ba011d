// What a trace must be for an importer to draw it; Perfetto itself is asked where it can be had (perfetto_test.py).
#pragma once

#include <string>

namespace wan::report {

/// Why `text` is not a trace whose slices nest on every thread; empty when it is one. Checks what Perfetto's importer
/// needs: fields and types of each phase used, metadata for each process and thread, counters with numbers only, arrows
/// from slice to slice.
std::string trace_problem(const std::string& text);

}  // namespace wan::report

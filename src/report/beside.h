// What lies in files beside the records of a report, by run id: for drawing only, no number comes from it.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "results/kernel_events.h"
#include "results/samples.h"
#include "results/spans.h"

namespace wan::report {

struct Beside {
  std::map<std::string, SampleSet> samples{};
  std::map<std::string, SpanSet> spans{};
  std::map<std::string, KernelEvents> kernels{};

  /// Of a run that is called otherwise now.
  void rename(const std::string& id, const std::string& now) {
    const auto move = [&](auto& by_run) {
      auto entry = by_run.extract(id);
      if (entry.empty()) return;
      entry.key() = now;
      by_run.insert(std::move(entry));
    };
    move(samples);
    move(spans);
    move(kernels);
  }
};

/// What a map has of a run, or nullptr.
template <class Content>
const Content* of_run(const std::map<std::string, Content>& by_run, const std::string& id) {
  const auto found = by_run.find(id);
  return found == by_run.end() ? nullptr : &found->second;
}

}  // namespace wan::report

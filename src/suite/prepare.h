// What is done to the machine before a run, so that runs of one case start alike: the page cache and the card's
// temperature.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/weight_choice.h"
#include "measure/gpu.h"
#include "suite/record_builder.h"

namespace wan::suite {

class Preparer {
 public:
  using Note = std::function<void(const std::string&)>;
  /// Asked while waiting; true ends the wait.
  using Stop = std::function<bool()>;

  /// `cool_down` is the longest wait for the card before a run; 0: none.
  Preparer(Seconds cool_down, Note note) : cool_down_(cool_down), note_(std::move(note)) {}

  /// Waits until the card is as cool as at the first counted run of this call, then brings the page cache into the
  /// state the case asks for and looks whether it is. `gpu` may be nullptr.
  Preparation prepare(const Job& job, measure::Gpu* gpu, const Stop& stop);

 private:
  void cool(const Job& job, measure::Gpu* gpu, const Stop& stop, Preparation& into);
  void set_page_cache(const Job& job, Preparation& into);
  void note_once(const std::string& text);

  Seconds cool_down_;
  Note note_;
  std::map<const measure::Gpu*, double> first_start_c_;
  std::set<WeightChoice> read_once_;  // weights whose share in the cache the kernel does not tell
  std::set<std::string> noted_;
};

}  // namespace wan::suite

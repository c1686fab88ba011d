// A record in which every field differs from its default, so that a key that is lost is seen.
#pragma once

#include "results/record.h"

namespace wan {

RunRecord example_record();

}  // namespace wan

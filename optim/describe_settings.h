#ifndef OPTIM_DESCRIBE_SETTINGS_H_
#define OPTIM_DESCRIBE_SETTINGS_H_

#include <string>

#include "optim/settings.h"

namespace palimpsest {

// All of them: of two that train alike, the same.
std::string Describe(const Settings& s);
// What of it a reader asks for first.
std::string DescribeShortly(const Settings& s);

}  // namespace palimpsest

#endif  // OPTIM_DESCRIBE_SETTINGS_H_

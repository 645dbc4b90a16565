// Explain: from a detector's finding to an alert that a person understands: one plain sentence, then the numbers with
// which the judgement can be redone by hand.
#pragma once

#include "detect/alert.hpp"
#include "detect/flow.hpp"
#include "detect/names.hpp"
#include "detect/silence.hpp"
#include "detect/volume.hpp"

namespace tidewaiter::detect {

Alert flow_alert(const Flow::Verdict& verdict, const Seen& seen);
Alert volume_alert(const Volume::Finding& finding, const Names& names);
Alert silence_alert(const Silence::Finding& finding);

/// Whom the alert of a volume finding is about: the principal, or the app.
Key volume_entity(const Volume::Finding& finding);
std::string_view volume_rule(const Volume::Finding& finding);

}  // namespace tidewaiter::detect

"""Why a message goes where it goes: by the policy that is published, and by the one that a past message met."""

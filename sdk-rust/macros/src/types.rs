//! What can be told of a type by its looks. A macro sees no more: an alias is what it is called.

use syn::{Expr, GenericArgument, Path, PathArguments, PathSegment, Type, TypePath, TypeReference};

/// The type itself. What a `macro_rules!` was given as `$t:ty` arrives as a group of its own.
pub(crate) fn ungrouped(mut ty: &Type) -> &Type {
    loop {
        match ty {
            Type::Group(group) => ty = &group.elem,
            Type::Paren(paren) => ty = &paren.elem,
            ty => return ty,
        }
    }
}

/// The same of an expression, such as `$n:literal`.
pub(crate) fn ungrouped_expr(mut expression: &Expr) -> &Expr {
    while let Expr::Group(group) = expression {
        expression = &group.expr;
    }
    expression
}

/// Its type arguments, where it is `NAME<…>`, by whatever path.
pub(crate) fn arguments_of<'a>(ty: &'a Type, name: &str) -> Option<Vec<&'a Type>> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    let last = path.path.segments.last()?;
    (last.ident == name).then(|| type_arguments(last).collect())
}

fn type_arguments(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The arguments of the SDK's stream of items. Without any, it is some other type called so.
pub(crate) fn items_of(ty: &Type) -> Option<Vec<&Type>> {
    arguments_of(ty, "Items").filter(|arguments| !arguments.is_empty())
}

/// The path of what is taken for the SDK's context: the bare name, or one that begins with the SDK. By any other path
/// it is a type of the user's.
pub(crate) fn context_of(ty: &Type) -> Option<&Path> {
    let Type::Path(TypePath { path, .. }) = ungrouped(ty) else { return None };
    let (first, last) = (path.segments.first()?, path.segments.last()?);
    let is_sdk = path.segments.len() == 1 || first.ident == "plugline_sdk" || first.ident == "plugline";
    (is_sdk && last.ident == "Context" && last.arguments.is_empty()).then_some(path)
}

/// The first reference within the type, if there is any.
pub(crate) fn reference_in(ty: &Type) -> Option<&TypeReference> {
    match ungrouped(ty) {
        Type::Reference(reference) => Some(reference),
        Type::Slice(slice) => reference_in(&slice.elem),
        Type::Array(array) => reference_in(&array.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(reference_in),
        Type::Path(path) => path.path.segments.iter().flat_map(type_arguments).find_map(reference_in),
        _ => None,
    }
}

/// What is optional, where it is `Option<…>`.
pub(crate) fn option_of(ty: &Type) -> Option<&Type> {
    match arguments_of(ty, "Option")?[..] {
        [inner] => Some(inner),
        _ => None,
    }
}

/// Whether it is `()`.
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(ungrouped(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// Whether its path ends in that name.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    arguments_of(ty, name).is_some()
}

/// Whether it is the standard library's `Path`, as one names it. By any other path it is a type of the user's.
pub(crate) fn is_std_path(ty: &Type) -> bool {
    let Type::Path(TypePath { path, .. }) = ungrouped(ty) else { return false };
    let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    ["Path", "path::Path", "std::path::Path"].contains(&names.join("::").as_str())
}
